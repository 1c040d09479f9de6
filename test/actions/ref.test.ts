import SqliteDatabase from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findPane } from "../../src/server/actions/find-pane.js";
import { parseRef } from "../../src/server/actions/ref.js";
import { ContractError } from "../../src/server/contract-error.js";
import { migrate } from "../../src/server/store/migrate.js";
import { RuntimeStore } from "../../src/server/store/runtime-store.js";
import { TargetStore } from "../../src/server/store/target-store.js";
import { cleanText } from "../../src/server/tmux/text.js";
import { MAX_NAME } from "../../src/server/tmux/topology-row.js";
import { type AgentFacts, encodeSessionName, paneRef } from "../../src/server/watch/rows.js";
import { View } from "../../src/server/watch/view.js";
import { runtimeRecord } from "../ingest/journal-harness.js";
import { PaneWorld } from "../support/pane-world.js";
import { holds } from "../support/property.js";

/** What it is refused with; "" if it is not. */
function refused(work: () => unknown): string {
  try {
    work();
    return "";
  } catch (error) {
    if (error instanceof ContractError) return error.codeName;
    throw error;
  }
}

/** Session names as tmux can have them and topologies give them. */
const sessionName = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom("/", "%", " ", "%2F", "%ff", "@1", "#", "é", "\t", ".", "~", "'", "*"),
    }),
  )
  .map((name) => cleanText(name, MAX_NAME))
  .filter((name) => name !== "");

const target = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/u);
const number = fc.nat({ max: 999_999_999 });

describe("TC-024 a canonical ref", () => {
  it("names the same pane again, whatever its session is called", () => {
    holds(
      fc.property(target, sessionName, number, number, (where, name, window, pane) => {
        const identity = { target: where, sessionName: name, windowId: `@${window}`, paneId: `%${pane}` };
        expect(parseRef(paneRef(identity))).toEqual({ kind: "pane", ...identity });
      }),
      1_000,
    );
  });

  it("is one for each session name: any other encoding of it is refused", () => {
    const other = fc.tuple(sessionName, fc.nat()).map(([name, at]) => {
      const encoded = encodeSessionName(name);
      const places = [...encoded.matchAll(/%[0-9A-F]{2}|[A-Za-z0-9~._-]/gu)];
      const place = places[at % places.length];
      const token = place?.[0] ?? "";
      const changed = token.startsWith("%")
        ? token.toLowerCase()
        : `%${token.charCodeAt(0).toString(16).toUpperCase()}`;
      const index = place?.index ?? 0;
      return { encoded, changed: encoded.slice(0, index) + changed + encoded.slice(index + token.length) };
    });
    holds(
      fc.property(other, ({ encoded, changed }) => {
        expect(refused(() => parseRef(`pane:lab/${encoded}/@0/%0`))).toBe("");
        // A byte without letters in it has one spelling.
        if (changed === encoded) return;
        expect(refused(() => parseRef(`pane:lab/${changed}/@0/%0`))).toBe("E_REF_INVALID_ENCODING");
      }),
      1_000,
    );
  });

  it("is nothing else: no text is taken that a list would not give", () => {
    const parts = [
      "pane:",
      "runtime:",
      "lab",
      "/",
      "work",
      "@0",
      "%0",
      "%25",
      "f".repeat(64),
      " ",
      "\n",
      "..",
      "é",
    ];
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 80 }),
      fc.array(fc.constantFrom(...parts), { maxLength: 9 }).map((words) => words.join("")),
    );
    holds(
      fc.property(text, (ref) => {
        const code = refused(() => parseRef(ref));
        if (code !== "") return;
        const parsed = parseRef(ref);
        expect(parsed.kind === "runtime" ? `runtime:${parsed.runtimeId}` : paneRef(parsed)).toBe(ref);
      }),
      2_000,
    );
  });

  it.each([
    "",
    "pane:",
    "runtime:",
    "runtime:x",
    `runtime:${"a".repeat(63)}`,
    `runtime:${"A".repeat(64)}`,
    `runtime:${"a".repeat(64)} `,
    "pane:lab/work/@0",
    "pane:lab/work/0/0",
    "pane:lab/work/@0/%0/",
    "pane:lab//@0/%0",
    "pane:/work/@0/%0",
    "pane:lab/a/b/@0/%0",
    "pane:l b/work/@0/%0",
    " pane:lab/work/@0/%0",
    "pane:lab/work/@0/%0\n",
    "pane:lab/work/@0/%1234567890",
    `pane:${"l".repeat(65)}/work/@0/%0`,
    "work",
    "%0",
  ])("E_REF_INVALID: %j", (ref) => {
    expect(refused(() => parseRef(ref))).toBe("E_REF_INVALID");
  });

  it.each(["%ff", "%", "%2", "%zz", "a b", "a%2fb", "%41", "%C3", "%ED%A0%80", "é", "it's", "a!"])(
    "E_REF_INVALID_ENCODING: a session written as %s",
    (session) => {
      expect(refused(() => parseRef(`pane:lab/${session}/@0/%0`))).toBe("E_REF_INVALID_ENCODING");
    },
  );
});

describe("what a ref names", () => {
  const world = new PaneWorld();
  const record = runtimeRecord();
  const ended = runtimeRecord({ epoch: 2, pid: 99 });
  const db = new SqliteDatabase(":memory:");
  migrate(db);
  new TargetStore(db).insert({
    targetId: "host",
    kind: "local",
    sshTarget: "",
    tmuxSocket: "",
    createdAt: 1,
  });
  const runtimes = new RuntimeStore(db);
  runtimes.insert(ended);
  runtimes.end(ended.runtimeId, { at: 2, reason: "exited" });
  runtimes.insert(record);
  const state = {
    runtimeId: record.runtimeId,
    status: {
      state: "idle",
      reason: "ready",
      confidence: "high",
      source: "native",
      channel: "",
      eventId: "",
      at: 1,
      since: 1,
    },
    stateVersion: 1,
    updatedAt: 1,
    promptId: "",
  } satisfies AgentFacts["state"];
  const view = new View((_target, paneId) =>
    paneId === "%1" ? { record, state, promptText: "" } : undefined,
  );
  const topology = world.topology();
  const [pane] = topology.panes;
  if (pane === undefined) throw new Error("the world has a pane");
  const also = { ...pane, sessionName: "b/é", alsoIn: ["work"] };
  view.refresh("host", { ...topology, panes: [also], rows: [also, { ...pane, sessionId: "$1" }] });

  const named = (ref: string): string => {
    let found = "";
    const code = refused(() => {
      found = findPane(ref, view, runtimes).identity?.paneId ?? "";
    });
    return code === "" ? found : code;
  };

  it("is a listed pane, by its own session or another that shows it, or by its agent", () => {
    const [listed] = view.panes();
    expect(named(listed?.ref ?? "")).toBe("%1");
    expect(named("pane:host/b%2F%C3%A9/@0/%1")).toBe("%1");
    expect(named("pane:host/work/@0/%1")).toBe("%1");
    expect(named(`runtime:${record.runtimeId}`)).toBe("%1");
  });

  it.each([
    ["another target", "pane:other/work/@0/%1"],
    ["another session", "pane:host/play/@0/%1"],
    ["another window", "pane:host/work/@1/%1"],
    ["another pane", "pane:host/work/@0/%2"],
    ["a runtime that never was", `runtime:${"0".repeat(64)}`],
  ])("is not found by %s", (_what, ref) => {
    expect(named(ref)).toBe("E_REF_NOT_FOUND");
  });

  it("TC-005 is never the pane's new tenant if the ref names the old one", () => {
    expect(named(`runtime:${ended.runtimeId}`)).toBe("E_RUNTIME_STALE");
  });

  it("is refused for its form first, then for its encoding, then for what is there", () => {
    expect(named("pane:host/%ff/@0/1")).toBe("E_REF_INVALID");
    expect(named("pane:other/%ff/@9/%9")).toBe("E_REF_INVALID_ENCODING");
    expect(named("pane:other/work/@9/%9")).toBe("E_REF_NOT_FOUND");
  });
});
