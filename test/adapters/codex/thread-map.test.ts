import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  readStatus,
  readThread,
  readTurnEnd,
  readVersion,
} from "../../../src/server/adapters/codex/app-server-messages.js";
import {
  type MappableTerminal,
  type MappableThread,
  mapThreads,
  originPort,
  threadMadeMs,
} from "../../../src/server/adapters/codex/thread-map.js";
import { field } from "../../../src/server/payload.js";

const thread = (
  id: string,
  port: number,
  shownSince = 0,
  more: Partial<MappableThread> = {},
): MappableThread => ({
  id,
  port,
  shownSince,
  name: "",
  loaded: true,
  ...more,
});
const terminal = (runtimeId: string, port: number, title = "work", titleAt = 0): MappableTerminal => ({
  runtimeId,
  ports: [port],
  title,
  titleAt,
});
const map = (threads: MappableThread[], terminals: MappableTerminal[]) =>
  Object.fromEntries(mapThreads(threads, terminals));

describe("which thread a terminal shows", () => {
  it("is told by its port alone", () => {
    const threads = [thread("a", 1), thread("b", 2), thread("c", 3)];
    expect(map(threads, [terminal("one", 2), terminal("two", 1)])).toEqual({ one: "b", two: "a" });
  });

  it("is nobody's when nobody listens, when it is not loaded, or when two claim the port", () => {
    expect(map([thread("a", 1)], [terminal("one", 2)])).toEqual({});
    expect(map([thread("a", 1, 0, { loaded: false })], [terminal("one", 1)])).toEqual({});
    expect(map([thread("a", 1)], [terminal("one", 1), terminal("two", 1)])).toEqual({});
    expect(map([{ ...thread("a", 1), port: undefined }], [terminal("one", 1)])).toEqual({});
  });

  it("is the newest of several, unless the title has long named another", () => {
    const threads = [thread("old", 1, 1_000, { name: "Old" }), thread("new", 1, 50_000)];
    expect(map(threads, [terminal("one", 1, "Old | work", 50_500)])).toEqual({ one: "new" });
    expect(map(threads, [terminal("one", 1, "⠋ Old | work", 60_000)])).toEqual({ one: "old" });
    expect(map(threads, [terminal("one", 1, "work", 60_000)])).toEqual({ one: "new" });
    expect(map(threads, [terminal("one", 1, "Something else | work", 60_000)])).toEqual({ one: "new" });
  });
});

describe("hostile or odd origins and ids", () => {
  it("give no port unless they are this host's loopback", () => {
    expect(originPort("http://127.0.0.1:37215")).toBe(37_215);
    expect(originPort("http://[::1]:80/")).toBe(80);
    const bad = [
      "http://10.0.0.1:80",
      "http://127.0.0.1:0",
      "http://127.0.0.1:99999",
      "http://127.0.0.1:80/x",
      "",
    ];
    for (const origin of bad) expect(originPort(origin)).toBeUndefined();
  });

  it("give the time that a UUIDv7 holds, and none for another id", () => {
    expect(threadMadeMs("01a202cb-3140-7302-8770-a04727f36d39")).toBe(0x01a202cb3140);
    expect(threadMadeMs("01a202cb-3140-4302-8770-a04727f36d39")).toBe(0);
    expect(threadMadeMs("x")).toBe(0);
  });
});

const FIXTURES = join(import.meta.dirname, "..", "..", "fixtures", "codex", "app-server");
const fixture = (name: string): unknown => JSON.parse(readFileSync(join(FIXTURES, name), "utf8"));

describe("recorded messages", () => {
  it.each([
    ["active", "active"],
    ["idle", "idle"],
    ["notLoaded", "not_loaded"],
    ["systemError", "system_error"],
    ["waitingOnApproval", "waiting_approval"],
    ["waitingOnUserInput", "waiting_input"],
  ])("thread-status-changed.%s is %s", (name, status) => {
    const message = fixture(`thread-status-changed.${name}.json`);
    expect(readStatus(field(field(message, "params"), "status"))).toBe(status);
  });

  it("a title thread is hidden, a user's is not", () => {
    const started = fixture("thread-started.title-thread.json");
    expect(readThread(field(field(started, "params"), "thread"))?.hidden).toBe(true);
    const data = field(field(fixture("thread-list.response.json"), "result"), "data");
    const [listed]: unknown[] = Array.isArray(data) ? data : [];
    expect(readThread(listed)).toMatchObject({
      hidden: false,
      status: "waiting_approval",
      name: "Fix flaky login test",
      shownSince: 1_795_343_288_000,
    });
  });

  it("other shapes are refused, not guessed at", () => {
    for (const value of [undefined, null, 1, {}, { type: "active" }, { type: "paused" }, []]) {
      expect(readStatus(value)).toBeUndefined();
      expect(readThread({ id: "x", status: value })).toBeUndefined();
    }
    expect(readThread({ id: "../x", status: { type: "idle" } })).toBeUndefined();
    expect(readTurnEnd({ data: [{ status: "paused" }] })).toBeUndefined();
    expect(readTurnEnd({ data: [] })).toEqual({ end: "none", endedAt: 0 });
    expect(readVersion({ userAgent: "codex-tui/0.169.0 (x)" })).toEqual([0, 169, 0]);
    expect(readVersion({})).toBeUndefined();
  });
});
