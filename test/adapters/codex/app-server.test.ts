import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { subscribeCodex } from "../../../src/server/adapters/codex/app-server.js";
import type {
  AdapterSubscription,
  AgentHost,
  NativeSignal,
  RuntimeView,
} from "../../../src/server/adapters/contract.js";
import { createLocalAgentFiles } from "../../../src/server/targets/local-host.js";
import { until } from "../../tmux/private-server.js";
import { FakeAppServer } from "./fake-app-server.js";

const ACTIVE = { type: "active", activeFlags: [] };
const APPROVAL = { type: "active", activeFlags: ["waitingOnApproval"] };
const QUESTION = { type: "active", activeFlags: ["waitingOnUserInput"] };
const IDLE = { type: "idle" };
const FAILED = { type: "systemError" };
const GONE = { type: "notLoaded" };

/** UUIDv7 made `ms` after a fixed time. */
function uuid(ms: number): string {
  const hex = (1_795_000_000_000 + ms).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
const ONE = uuid(1);
const TWO = uuid(2);

let root: string;
let server: FakeAppServer;
let feed: AdapterSubscription;
let signals: NativeSignal[];
let looks: string[];
let fault: string | undefined;
let ports: Map<number, number[]>;
let homes: Map<number, string>;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "agtmux-codex-"));
  server = new FakeAppServer(root);
  await server.start();
  signals = [];
  looks = [];
  fault = undefined;
  ports = new Map([
    [1, [41_001]],
    [2, [41_002]],
  ]);
  homes = new Map();
  const host: AgentHost = {
    ...createLocalAgentFiles(),
    now: () => Date.now() * 1_000,
    environment: async (pid) => ({ CODEX_HOME: homes.get(pid) ?? root }),
    loopbackPorts: async (pid) => ports.get(pid) ?? [],
    emit: (news) => {
      signals.push(...news.filter(({ channel }) => channel === "app_server"));
    },
    look: async (runtimeId) => {
      looks.push(runtimeId);
    },
    degraded: (_channel, message) => {
      fault = message;
    },
  };
  feed = subscribeCodex(host);
});

afterEach(async () => {
  feed.close();
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

function view(agentPid: number, more: Partial<RuntimeView> = {}): RuntimeView {
  const place = { paneId: `%${agentPid}`, startRaw: "1", argv: ["codex"], cwd: "/work", agentSessionId: "" };
  return { ...place, runtimeId: `runtime-${agentPid}`, agentPid, title: "work", ...more };
}

/** What was said of a runtime, in order. */
function said(agentPid: number): string[] {
  return signals
    .filter(({ runtimeId }) => runtimeId === `runtime-${agentPid}`)
    .map(({ transition }) => {
      const { status, end } = transition?.attributes ?? {};
      return end === "" ? String(status) : `${status}/${end}`;
    });
}

const says = (agentPid: number, ...expected: string[]) =>
  until(`runtime ${agentPid} to say ${expected.join(", ")}; not ${said(agentPid).join(", ")}`, () => {
    return said(agentPid).length >= expected.length;
  }).then(() => expect(said(agentPid)).toEqual(expected));

const asked = (method: string) => server.asked.filter((name) => name === method).length;

describe("the app-server's word", () => {
  it("goes to the terminal that the thread belongs to, though both are in one folder", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: IDLE });
    server.threads.set(TWO, { id: TWO, port: 41_002, status: APPROVAL, turn: "inProgress" });
    feed.update([view(1), view(2)]);
    await says(1, "idle/none");
    await says(2, "waiting_approval");
    expect(signals.map(({ agentSessionId }) => agentSessionId).sort()).toEqual([ONE, TWO]);
    server.change(ONE, ACTIVE);
    server.change(ONE, QUESTION);
    server.change(ONE, ACTIVE);
    server.change(ONE, FAILED);
    await says(1, "idle/none", "active", "waiting_input", "active", "system_error");
    expect(said(2)).toEqual(["waiting_approval"]);
    expect(looks).toEqual([]);
  });

  it("says how a turn ended, and of one that ended long ago only that nothing runs", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: IDLE, turn: "completed", completedAt: 1_000 });
    server.threads.set(TWO, { id: TWO, port: 41_002, status: IDLE, turn: "interrupted", completedAt: 1_000 });
    feed.update([view(1), view(2)]);
    await says(1, "idle/none");
    await says(2, "idle/interrupted");
    server.change(ONE, ACTIVE, "inProgress");
    server.change(ONE, IDLE, "completed");
    await says(1, "idle/none", "active", "idle/completed");
    server.change(ONE, ACTIVE, "inProgress");
    server.change(ONE, IDLE, "interrupted");
    await says(1, "idle/none", "active", "idle/completed", "active", "idle/interrupted");
  });

  it("does not say idle between a turn and a queued one", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    feed.update([view(1)]);
    await says(1, "active");
    server.change(ONE, IDLE, "completed");
    server.change(ONE, ACTIVE, "inProgress");
    server.change(ONE, IDLE, "completed");
    server.change(ONE, ACTIVE, "inProgress");
    server.change(ONE, IDLE, "completed");
    await says(1, "active", "idle/completed");
  });

  it("has the screen looked at where the turn's end cannot be asked for", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    feed.update([view(1)]);
    await says(1, "active");
    server.change(ONE, IDLE);
    await says(1, "active", "idle");
    expect(looks).toEqual(["runtime-1"]);
  });

  it("never stamps a signal before the one it follows", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: IDLE });
    feed.update([view(1)]);
    await says(1, "idle/none");
    for (const emittedAtMs of [1, undefined, 5]) {
      const params = { threadId: ONE, status: emittedAtMs === undefined ? APPROVAL : ACTIVE };
      server.raw(JSON.stringify({ method: "thread/status/changed", params, emittedAtMs }));
    }
    await says(1, "idle/none", "active", "waiting_approval", "active");
    const times = signals.map(({ eventTime }) => eventTime);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBe(times.length);
  });

  it("skips hidden threads, and follows a terminal to its new one and back", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: IDLE, name: "Old", preview: "x" });
    feed.update([view(1, { title: "Old | work" })]);
    await says(1, "idle/none");
    server.begin({ id: uuid(5), port: 41_001, status: ACTIVE, hidden: true });
    const fresh = uuid(Date.now() - 1_795_000_000_000);
    server.begin({ id: fresh, port: 41_001, status: IDLE });
    await until("the new thread", () => signals.at(-1)?.agentSessionId === fresh);
    server.change(ONE, ACTIVE);
    await until("the old thread's turn", () => signals.at(-1)?.agentSessionId === ONE);
    expect(said(1).at(-1)).toBe("active");
    expect(signals.some(({ agentSessionId }) => agentSessionId === uuid(5))).toBe(false);
  });

  it("is taken back when the thread is unloaded, and goes to the terminal that resumes it", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: IDLE });
    feed.update([view(1)]);
    await says(1, "idle/none");
    server.change(ONE, GONE);
    await says(1, "idle/none", "gone");
    const thread = server.threads.get(ONE);
    if (thread !== undefined) thread.port = 41_002;
    feed.update([view(2)]);
    server.change(ONE, IDLE);
    await says(2, "idle/none");
  });

  it("is none for a terminal without the daemon, nor for a port that nobody listens on", async () => {
    server.threads.set(ONE, { id: ONE, port: 49_999, status: ACTIVE });
    feed.update([view(1, { argv: ["codex", "--no-daemon"] })]);
    await until("the search", () => asked("mcpServerStatus/list") > 0);
    server.change(ONE, IDLE);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(signals).toEqual([]);
    expect(asked("thread/loaded/list")).toBe(1);
  });

  it("finds the terminal of a thread that is connected to it only later", async () => {
    server.threads.set(ONE, { id: ONE, port: 0, status: IDLE });
    feed.update([view(1)]);
    await until("a first search", () => asked("mcpServerStatus/list") > 0);
    const thread = server.threads.get(ONE);
    if (thread !== undefined) thread.port = 41_001;
    await says(1, "idle/none");
  });

  it("asks readings only, and of no other MCP server than the terminal's own", async () => {
    const params: unknown[] = [];
    server.answers.set("mcpServerStatus/list", (given) => {
      params.push(given);
      return { data: [{ name: "codex_tui", httpOrigin: "http://127.0.0.1:41001" }] };
    });
    server.threads.set(ONE, { id: ONE, port: 41_001, status: IDLE });
    feed.update([view(1)]);
    await says(1, "idle/none");
    expect(params).toEqual([{ threadId: ONE, serverName: "codex_tui", detail: "toolsAndAuthOnly" }]);
    const known = ["initialize", "initialized", "thread/loaded/list", "thread/read", "thread/turns/list"];
    expect(server.asked.filter((method) => ![...known, "mcpServerStatus/list"].includes(method))).toEqual([]);
  });
});

describe("an app-server that fails", () => {
  it("by ending takes its word back, and is heard again once it is there again", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    feed.update([view(1)]);
    await says(1, "active");
    await server.stop();
    await says(1, "active", "gone");
    server.threads.set(ONE, { id: ONE, port: 41_001, status: APPROVAL });
    await server.start();
    await says(1, "active", "gone", "waiting_approval");
    expect(fault).toBeUndefined();
  });

  it("to be there is no fault, and is heard when it comes", async () => {
    await server.stop();
    feed.update([view(1)]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(fault).toBeUndefined();
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    await server.start();
    await says(1, "active");
  });

  it("takes back what an earlier life of the daemon said", async () => {
    await server.stop();
    feed.update([view(1, { agentSessionId: ONE }), view(2)]);
    await says(1, "gone");
    expect(said(2)).toEqual([]);
  });

  it.each([
    ["garbage", (): void => server.raw("not JSON")],
    ["a list", (): void => server.raw("[]")],
    [
      "a huge message",
      (): void => server.raw(JSON.stringify({ method: "x", params: "y".repeat(5_000_000) })),
    ],
    [
      "an unknown status",
      (): void => server.notify("thread/status/changed", { threadId: ONE, status: { type: "new" } }),
    ],
    ["a thread without an id", (): void => server.notify("thread/started", { thread: { status: IDLE } })],
  ])("by sending %s is given up, with a word in health", async (_what, send) => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    feed.update([view(1)]);
    await says(1, "active");
    send();
    await until("its word to be taken back", () => said(1)[1] === "gone");
    await until("health to tell", () => fault !== undefined);
  });

  it.each([
    ["is older than what was measured", "codex-tui/0.150.2 (Debian)"],
    ["names no version", "something else"],
  ])("because it %s is not asked anything more", async (_why, userAgent) => {
    server.userAgent = userAgent;
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    feed.update([view(1)]);
    await until("health to tell", () => fault !== undefined);
    expect(signals).toEqual([]);
    expect(server.asked).toEqual(["initialize"]);
    expect(server.connections).toBe(1);
  });

  it("for one home does not silence that of another", async () => {
    const other = mkdtempSync(join(tmpdir(), "agtmux-codex-"));
    const second = new FakeAppServer(other);
    await second.start();
    try {
      server.userAgent = "codex-tui/0.1.0";
      homes.set(2, other);
      second.threads.set(TWO, { id: TWO, port: 41_002, status: ACTIVE });
      feed.update([view(1), view(2)]);
      await says(2, "active");
      await until("health to tell of the first", () => fault?.includes("0.1.0") === true);
    } finally {
      await second.stop();
      rmSync(other, { recursive: true, force: true });
    }
  });

  it("leaves nothing open once it is closed", async () => {
    server.threads.set(ONE, { id: ONE, port: 41_001, status: ACTIVE });
    feed.update([view(1)]);
    await says(1, "active");
    feed.close();
    server.change(ONE, IDLE, "completed");
    await server.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(said(1)).toEqual(["active"]);
    expect(server.connections).toBe(1);
  });
});
