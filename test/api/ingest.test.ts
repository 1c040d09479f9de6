import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AgentState,
  connect,
  ErrorCode,
  type EventEnvelope,
  IngestEventsRequestSchema,
  IngestStatus,
  SignalSource,
  toAgtmuxError,
} from "../../src/client/index.js";
import { type FakeAgent, Scene } from "../daemon/support/scene.js";
import { Watcher } from "../daemon/support/watcher.js";
import { exchange } from "./raw-http.js";

let scene: Scene;
let agent: FakeAgent;
let runtimeId: string;

beforeAll(async () => {
  scene = await Scene.start();
  // Without a session file: its hooks alone decide.
  agent = scene.agent("new-session", "-d", "-s", "work");
  const pane = await scene.untilPane("the agent", ({ agent: found }) => found !== undefined);
  runtimeId = pane.agent?.runtimeId ?? "";
});
afterAll(async () => {
  await scene.close();
});

type Envelope = Partial<Omit<EventEnvelope, "$typeName" | "$unknown" | "tmux">> & {
  tmux?: { socketPath?: string; serverPid?: bigint };
};

/** An event as the hook script would send it from the agent's pane. */
function hook(eventType: string, payload: unknown = {}, more: Envelope = {}): Envelope {
  return {
    eventId: crypto.randomUUID(),
    eventType,
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTimeUnixNs: BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n,
    eventTimeResolutionNs: 1n,
    tmux: { socketPath: scene.terminal.socketPath, serverPid: BigInt(scene.terminal.pid()) },
    paneId: agent.paneId,
    parentPids: [BigInt(agent.pid)],
    rawPayload: payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload)),
    ...more,
  };
}

const send = async (...events: Envelope[]) => (await scene.client.ingest.ingestEvents({ events })).results;
const state = async (): Promise<AgentState | undefined> => (await scene.panes())[0]?.agent?.state;

describe("a hook's event", () => {
  it("TC-015 TC-008 reaches a watcher as a state, bound by pane and ancestors", async () => {
    const watcher = await Watcher.open(scene.client);
    const took: number[] = [];
    for (const [event, payload, wanted, reason] of [
      ["UserPromptSubmit", { prompt: "do it" }, AgentState.RUNNING, "turn"],
      ["PermissionRequest", { tool_name: "Bash" }, AgentState.WAITING_APPROVAL, "permission_request"],
      ["PostToolUse", { tool_name: "Bash" }, AgentState.RUNNING, "turn"],
      ["Stop", {}, AgentState.COMPLETED, "turn_end"],
    ] as const) {
      const began = performance.now();
      const [result] = await send(hook(event, { hook_event_name: event, session_id: "s-1", ...payload }));
      expect(result).toMatchObject({ status: IngestStatus.ACCEPTED, runtimeId });
      await watcher.until(`${event} to be seen`, ({ messages }) =>
        messages.some(({ changes }) =>
          changes.some(({ item }) => {
            const found = item?.item.case === "pane" ? item.item.value.agent : undefined;
            return found?.state === wanted && found.reasonCode === reason;
          }),
        ),
      );
      took.push(performance.now() - began);
      expect(await state()).toBe(wanted);
    }
    console.log(`hook → watcher: ${took.map((ms) => Math.round(ms)).join(", ")} ms`);
    await watcher.close();
  });

  it("TC-007 TC-049 counts once, however often and in however many batches it comes", async () => {
    const event = hook("UserPromptSubmit", { prompt: "again" });
    const results = [...(await send(event, event)), ...(await send(event))];
    expect(results.map(({ status }) => status)).toEqual([
      IngestStatus.ACCEPTED,
      IngestStatus.DUPLICATE,
      IngestStatus.DUPLICATE,
    ]);
    const { events } = await scene.client.events.listEvents({ filter: { runtimeId } });
    expect(events.filter(({ eventId }) => eventId === event.eventId)).toHaveLength(1);
  });

  it("TC-009 of another pane, server or process waits to be bound and moves nothing", async () => {
    const before = (await scene.panes())[0]?.agent;
    const strangers: [string, Envelope][] = [
      ["another pane", { paneId: "%999" }],
      ["another server", { tmux: { socketPath: scene.terminal.socketPath, serverPid: 1n } }],
      ["another process in the pane", { parentPids: [1n] }],
      ["another socket", { tmux: { socketPath: "/nowhere" } }],
    ];
    for (const [what, more] of strangers) {
      const [result] = await send(hook("Stop", {}, more));
      expect([what, result?.status]).toEqual([what, IngestStatus.PENDING_BIND]);
    }
    const [other] = await send(hook("Stop", {}, { runtimeId: "0".repeat(64) }));
    expect(other?.status).toBe(IngestStatus.PENDING_BIND);
    expect((await scene.panes())[0]?.agent).toEqual(before);
  });
});

describe("a batch", () => {
  it("TC-018 gives each event its own result: the good ones are taken, the bad ones name their field", async () => {
    const bad: [string, Envelope][] = [
      ["event_id", { eventId: "" }],
      ["event_id", { eventId: "not-a-uuid" }],
      ["event_type", { eventType: "" }],
      ["event_type", { eventType: "x".repeat(129) }],
      ["event_type", { eventType: "Stop\u001b[2J" }],
      ["agent_type", { agentType: "Claude" }],
      ["agent_type", { agentType: "nobody" }],
      ["source", { source: SignalSource.UNSPECIFIED }],
      ["source", { source: SignalSource.RECONCILER }],
      ["source", { source: SignalSource.ACTION }],
      ["source", { source: 99 as SignalSource }],
      ["spooled", { spooled: true }],
      ["channel", { channel: "c".repeat(65) }],
      ["event_time_unix_ns", { eventTimeUnixNs: 0n }],
      ["event_time_unix_ns", { eventTimeUnixNs: -5n }],
      ["source_seq", { sourceSeq: -1n }],
      ["source_seq", { sourceSeq: 2n ** 60n }],
      ["pane_id", { paneId: "%0; kill-server" }],
      ["runtime_id", { runtimeId: "x" }],
      ["runtime_id", { paneId: "", parentPids: [] }],
      ["pid", { pid: 0n }],
      ["parent_pids", { parentPids: [-1n] }],
      ["dedupe_key", { dedupeKey: "\u0007" }],
    ];
    const good = () => hook("PreToolUse", { tool_name: "Read" });
    const results = await send(good(), ...bad.map(([, more]) => hook("Stop", {}, more)), good());
    expect(results).toHaveLength(bad.length + 2);
    expect([results[0]?.status, results.at(-1)?.status]).toEqual([
      IngestStatus.ACCEPTED,
      IngestStatus.ACCEPTED,
    ]);
    for (const [at, [field]] of bad.entries()) {
      const result = results[at + 1];
      expect([at, result?.status, result?.code, result?.reason.split(":")[0]]).toEqual([
        at,
        IngestStatus.REJECTED,
        ErrorCode.E_INVALID_ARGUMENT,
        field,
      ]);
    }
    const { channels } = await scene.client.daemon.getHealth({});
    expect(channels.reduce((sum, { rejected }) => sum + Number(rejected), 0)).toBeGreaterThanOrEqual(
      bad.length,
    );
  });

  it("TC-053 of more than a thousand is refused whole; one of a thousand is taken", async () => {
    const many = (count: number) => Array.from({ length: count }, () => hook("PreToolUse"));
    const error = await send(...many(1_001)).catch((thrown: unknown) => toAgtmuxError(thrown));
    expect(error).toMatchObject({ code: ErrorCode.E_INVALID_ARGUMENT, details: { field: "events" } });
    const results = await send(...many(1_000));
    expect(results.filter(({ status }) => status === IngestStatus.ACCEPTED)).toHaveLength(1_000);
  });

  it("TC-086 of 10 MB is E_RESOURCE_EXHAUSTED; a payload over 256 KiB is cut and still understood", async () => {
    // Many times: the answer must not get lost because the client is still sending when the daemon has decided.
    for (let at = 0; at < 15; at++) {
      const error = await send(hook("Stop", Buffer.alloc(10_000_000, 0x61))).catch(
        (thrown: unknown) => thrown,
      );
      expect(toAgtmuxError(error)).toMatchObject({ code: ErrorCode.E_RESOURCE_EXHAUSTED });
    }
    const payload = Buffer.from(
      JSON.stringify({ hook_event_name: "Stop", session_id: "s-1", tail: "x".repeat(400_000) }),
    );
    const [cut] = await send(hook("Stop", payload));
    expect(cut?.status).toBe(IngestStatus.ACCEPTED);
    expect(await state()).toBe(AgentState.COMPLETED);
  });

  it("TC-068 bytes that are no UTF-8, no JSON, or a bomb of brackets are bounded and shown nowhere raw", async () => {
    const payloads = [
      Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc0, 0xaf]),
      Buffer.from('{"session_id":"\xff\xfe\u001b[2J", "hook_event_name": "Stop"}', "latin1"),
      Buffer.from("[".repeat(200_000)),
      Buffer.from(`${'{"a":'.repeat(50_000)}`),
      Buffer.from('{"__proto__": {"polluted": true}, "constructor": 1}'),
      Buffer.alloc(0),
    ];
    for (const payload of payloads) {
      const [result] = await send(
        hook("Notification", payload, { agentSessionId: "a\u001b]0;x\u0007b", cwd: "/\u001b[31m" }),
      );
      expect(result?.status).not.toBe(IngestStatus.UNSPECIFIED);
    }
    // Strings that are no UTF-8 on the wire.
    const bytes = Buffer.from(
      toBinary(
        IngestEventsRequestSchema,
        create(IngestEventsRequestSchema, { events: [hook("Stop", {}, { cwd: "/ZZZZ" })] }),
      ),
    );
    bytes.fill(0xff, bytes.indexOf("ZZZZ"), bytes.indexOf("ZZZZ") + 4);
    const head = `POST /agtmux.v1.IngestService/IngestEvents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/proto\r\ncontent-length: ${bytes.length}\r\n\r\n`;
    const answer = await exchange(scene.daemon.socketPath, Buffer.concat([Buffer.from(head), bytes]));
    expect([200, 400]).toContain(answer.status);
    const shown = JSON.stringify(
      await scene.client.events.listEvents({ limit: 1_000 }),
      (_, value: unknown) => (typeof value === "bigint" ? String(value) : value),
    );
    expect(shown).not.toMatch(/\\u00[01]|\\u007f|\u001b/u);
    expect((await scene.client.daemon.getHealth({})).pid).toBe(BigInt(scene.daemon.child.pid ?? 0));
  });

  it("TC-011 TC-050 leaves no prompt, tool input or message in any file of the state directory", async () => {
    const canary = "CANARY-3f9c";
    const payload = {
      hook_event_name: "UserPromptSubmit",
      session_id: "s-1",
      prompt: canary,
      tool_input: { command: canary },
      message: canary,
    };
    await send(
      hook("UserPromptSubmit", payload),
      hook("PreToolUse", { ...payload, tool_name: "Bash" }),
      hook("Notification", payload),
      hook("Stop", payload, { paneId: "%998" }),
      hook("Bogus", payload, { agentType: "nobody" }),
    );
    scene.tmux("set-option", "-p", "-t", agent.paneId, "allow-rename", "on");
    const files: string[] = [];
    const walk = (folder: string): void => {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory()) walk(join(folder, entry.name));
        else if (entry.isFile()) files.push(join(folder, entry.name));
      }
    };
    walk(scene.daemon.stateDir);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) expect(readFileSync(file).includes(canary), file).toBe(false);
  });
});

describe("the hooks' socket", () => {
  it("TC-066 TC-070 serves IngestService and nothing else", async () => {
    const folder = join(scene.daemon.stateDir, "ingest.d");
    const [name = ""] = readdirSync(folder);
    const socketPath = join(folder, name);
    expect(name).toMatch(/^local\.[0-9a-f]{8}\.sock$/u);
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    const hooks = connect({ socket: socketPath });
    const { results } = await hooks.ingest.ingestEvents({ events: [hook("PreToolUse")] });
    expect(results[0]?.status).toBe(IngestStatus.ACCEPTED);
    const refused: (() => Promise<unknown>)[] = [
      () => hooks.state.listPanes({}),
      () => hooks.daemon.getHealth({}),
      () => hooks.daemon.shutdown({}),
      () => hooks.targets.listTargets({}),
      () => hooks.targets.removeTarget({ name: "lab" }),
      () => hooks.events.listEvents({}),
      () => hooks.hooks.getHookStatus({}),
      () => hooks.adapters.listAdapters({}),
      () => hooks.actions.send({}),
      async () => {
        for await (const _ of hooks.state.watch({}));
      },
    ];
    for (const call of refused) {
      const error = await call().then(
        () => undefined,
        (thrown: unknown) => toAgtmuxError(thrown),
      );
      expect(error?.code).toBe(ErrorCode.E_UNIMPLEMENTED);
    }
    expect((await exchange(socketPath, "GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n")).status).toBe(
      501,
    );
    const grpc = createConnectTransport({
      baseUrl: "http://localhost",
      httpVersion: "2",
      nodeOptions: { createConnection: () => connectSocket(socketPath) },
    });
    const { IngestService } = await import("../../src/client/index.js");
    const again = await createClient(IngestService, grpc).ingestEvents({ events: [hook("PreToolUse")] });
    expect(again.results).toHaveLength(1);
  });
});
