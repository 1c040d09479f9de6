import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SignalSource } from "../../gen/agtmux/v1/common_pb.js";
import { type EventEnvelope, EventEnvelopeSchema, TmuxServerSchema } from "../../gen/agtmux/v1/ingest_pb.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { DEFAULTS } from "../../src/server/config.js";
import { type BindingCandidate, bind } from "../../src/server/engine/bind.js";
import { type Intake, prepare } from "../../src/server/ingest/envelope.js";
import { JournalLab, runtimeRecord, START, type Tenant } from "./journal-harness.js";

const SECOND = 1_000_000;
const WINDOW = DEFAULTS.bindWindowMicros;
const TTL = DEFAULTS.bindTtlMs * 1_000;
const NS = 1_000n;

const registry = new AdapterRegistry();
const intake: Intake = {
  adapter: (agentType) => registry.find(agentType),
  ancestors: (_adapter, pids) => pids,
  maxPayloadBytes: DEFAULTS.hookPayloadBytes,
};

type Fields = Partial<Omit<EventEnvelope, "$typeName" | "$unknown">>;

let lab: JournalLab;
beforeEach(() => {
  lab = new JournalLab();
});
afterEach(() => lab.close());

let sent = 0;

/** Sends an envelope as it comes off the wire; says what became of it, and the agent's pid where it was bound. */
function outcome(fields: Fields, at: number = START, through: Partial<Intake> = {}): string {
  sent += 1;
  const envelope = create(EventEnvelopeSchema, {
    eventId: `8c8ab2c4-0000-4000-8000-${String(sent).padStart(12, "0")}`,
    eventType: "Stop",
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTimeUnixNs: BigInt(at) * NS,
    eventTimeResolutionNs: 1n,
    ...fields,
  });
  const made = prepare(envelope, { ...intake, ...through });
  if (made.kind !== "event") return made.kind;
  const [result] = lab.accept([made.event], at);
  if (result?.kind === "accepted") return `pid ${lab.runtime(result.runtimeId).record.agentPid}`;
  return result?.kind === "dropped" ? result.reason : (result?.kind ?? "nothing");
}

/** An agent that has been running for a minute; returns its runtime's id. */
function agent(tenant: Tenant & { readonly pid: number }): string {
  const record = runtimeRecord({ startedAt: START - 60 * SECOND, ...tenant });
  lab.open(record);
  return record.runtimeId;
}

const tmux = (serverPid: bigint) => create(TmuxServerSchema, { socketPath: "/tmp/s", serverPid });
const says = (payload: object): Pick<Fields, "rawPayload"> => ({
  rawPayload: Buffer.from(JSON.stringify(payload)),
});

describe("TC-008 an event of an agent that reports its own pane", () => {
  beforeEach(() => {
    agent({ pane: "%1", pid: 1001, session: "s1", cwd: "/w" });
    agent({ pane: "%2", pid: 1002, epoch: 2, session: "s2", cwd: "/w" });
    agent({ pane: "%3", pid: 1003, cwd: "/w", agentType: "codex" });
  });

  it.each<[string, Fields, string]>([
    ["its pane", { paneId: "%1" }, "pid 1001"],
    ["its pane and server", { paneId: "%1", tmux: tmux(77n) }, "pid 1001"],
    ["its pane and the pid", { paneId: "%1", pid: 1001n }, "pid 1001"],
    ["the pid alone among its ancestors", { parentPids: [900n, 1002n, 4000n] }, "pid 1002"],
    ["its pane and its ancestors", { paneId: "%2", parentPids: [900n, 1002n] }, "pid 1002"],
    ["its pane and its session", { paneId: "%1", agentSessionId: "s1" }, "pid 1001"],
    ["its session alone", { agentSessionId: "s2" }, "pid 1002"],
    ["its session, in the payload", says({ session_id: "s2" }), "pid 1002"],
    [
      "its pane and its start",
      { paneId: "%1", startHintUnixNs: BigInt(START - 60 * SECOND) * NS },
      "pid 1001",
    ],
  ])("binds by %s", (_name, fields, expected) => {
    expect(outcome(fields)).toBe(expected);
  });

  it.each<[string, Fields]>([
    ["a pane without an agent", { paneId: "%7" }],
    ["a pane of another server", { paneId: "%1", tmux: tmux(78n) }],
    ["another agent's pane", { paneId: "%3" }],
    ["another pid in the pane", { paneId: "%1", pid: 1002n }],
    ["ancestors that are no agent's", { paneId: "%1", parentPids: [900n, 4000n, 1n] }],
    ["ancestors of another pane's agent", { paneId: "%1", parentPids: [1002n] }],
    ["the shell that both its agent and another process came from", { paneId: "%1", parentPids: [4000n] }],
    ["another session in the pane", { paneId: "%1", agentSessionId: "s9" }],
    ["the session of another pane's agent", { paneId: "%1", agentSessionId: "s2" }],
    ["a session that nobody has", { agentSessionId: "s9" }],
    ["a directory that nobody is in", { agentSessionId: "s9", cwd: "/nowhere" }],
  ])(
    "waits, bound to nobody, if it names %s; its time over, it is dropped as bind_ttl_expired",
    (_name, fields) => {
      expect(outcome(fields)).toBe("pending");
      expect(lab.retryInbox(START + TTL)).toBe(1);
      expect(lab.retryInbox(START + TTL + 1)).toBe(0);
      const db = lab.connect();
      const reasons = db.prepare("SELECT status || ' ' || reason FROM event_inbox").pluck().all();
      db.close();
      expect(reasons).toEqual(["dropped_unbound bind_ttl_expired"]);
    },
  );

  it.each<[string, number, string]>([
    ["at the window's edge before", -WINDOW, "pid 1001"],
    ["at the window's edge after", WINDOW, "pid 1001"],
    ["past it before", -WINDOW - 1, "pending"],
    ["past it after", WINDOW + 1, "pending"],
  ])("whose start hint lies %s", (_name, offset, expected) => {
    const startHintUnixNs = BigInt(START - 60 * SECOND + offset) * NS;
    expect(outcome({ paneId: "%1", startHintUnixNs })).toBe(expected);
    expect(outcome({ paneId: "%1", startHintUnixNs, parentPids: [1001n] })).toBe(expected);
  });

  it("waits if its session is another pane's, though of the agent in its pane none is known yet", () => {
    agent({ pane: "%4", pid: 1004 });
    expect(outcome({ paneId: "%4", agentSessionId: "s2" })).toBe("pending");
    expect(outcome({ paneId: "%4", agentSessionId: "s2", parentPids: [1004n] })).toBe("pid 1004");
  });

  it("is dropped as bind_no_candidate, at once, if it names a runtime that has ended", () => {
    const ended = agent({ pane: "%4", pid: 1004 });
    lab.end(ended);
    agent({ pane: "%4", pid: 1005, epoch: 2 });
    expect(outcome({ runtimeId: ended })).toBe("bind_no_candidate");
    expect(outcome({ runtimeId: ended, paneId: "%4", parentPids: [1005n] })).toBe("bind_no_candidate");
  });

  it("is dropped as bind_ambiguous, at once, if two fit and nothing tells them apart", () => {
    agent({ pane: "%5", pid: 1005, cwd: "/twins" });
    agent({ pane: "%6", pid: 1006, cwd: "/twins" });
    expect(outcome({ agentSessionId: "s9", cwd: "/twins" })).toBe("bind_ambiguous");
    expect(outcome({ agentSessionId: "s9", cwd: "/twins", parentPids: [1006n] })).toBe("pid 1006");
  });
});

describe("TC-004 an event that nothing but its pane speaks for", () => {
  const opened = START;
  beforeEach(() => {
    agent({ pane: "%1", pid: 1001, epoch: 2, startedAt: opened });
  });

  it.each<[string, number, Fields, string]>([
    ["before its agent began", -SECOND, { paneId: "%1" }, "pending"],
    ["in its agent's first five seconds", WINDOW - 1, { paneId: "%1" }, "pending"],
    ["of an unheard session in those", WINDOW - 1, { paneId: "%1", agentSessionId: "s1" }, "pending"],
    ["after those", WINDOW, { paneId: "%1" }, "pid 1001"],
    ["in those, by a descendant of the agent", 1, { paneId: "%1", parentPids: [1001n] }, "pid 1001"],
    ["in those, by the agent's pid", 1, { paneId: "%1", pid: 1001n }, "pid 1001"],
    [
      "in those, with the agent's start",
      1,
      { paneId: "%1", startHintUnixNs: BigInt(opened) * NS },
      "pid 1001",
    ],
  ])("%s, where it may be its predecessor's", (_name, offset, fields, expected) => {
    expect(outcome(fields, opened + offset)).toBe(expected);
  });

  it("is not bound later either, and dropped when its time is over", () => {
    expect(outcome({ paneId: "%1", agentSessionId: "old" }, opened + SECOND)).toBe("pending");
    expect(lab.retryInbox(opened + 20 * SECOND)).toBe(1);
    expect(lab.retryInbox(opened + SECOND + TTL + 1)).toBe(0);
  });

  it("and that was spooled before the agent began is not the agent's, however late it is read", () => {
    const late = opened + 3_600 * SECOND;
    const eventTimeUnixNs = BigInt(opened - 600 * SECOND) * NS;
    expect(outcome({ paneId: "%1", eventTimeUnixNs }, late, { spooledAt: opened - 600 * SECOND })).toBe(
      "pending",
    );
  });
});

describe("TC-009 an event of an agent whose pane id may be another pane's", () => {
  const codex = (tenant: Tenant & { readonly pid: number }): string =>
    agent({ agentType: "codex", ...tenant });
  const from = (fields: Fields, at?: number): string => outcome({ agentType: "codex", ...fields }, at);
  const thread = (sessionId: string, cwd: string) => says({ session_id: sessionId, cwd });

  it("goes by an ancestor on that pane's terminal, whatever pane it names", () => {
    codex({ pane: "%1", pid: 2001 });
    codex({ pane: "%8", pid: 2008 });
    expect(from({ paneId: "%1", parentPids: [900n, 2008n], ...thread("t8", "/w") })).toBe("pid 2008");
  });

  it("does not go by the pane it names", () => {
    codex({ pane: "%1", pid: 2001, cwd: "/one" });
    codex({ pane: "%8", pid: 2008, cwd: "/eight" });
    expect(from({ paneId: "%1", ...thread("t8", "/eight") })).toBe("pid 2008");
    expect(from({ paneId: "%1", ...thread("t9", "/nine") })).toBe("pending");
  });

  it("goes by its session once that is known, by its directory if that tells, and to nobody if it does not", () => {
    codex({ pane: "%1", pid: 2001, cwd: "/w", session: "t1" });
    codex({ pane: "%2", pid: 2002, cwd: "/w" });
    expect(from(thread("t1", "/elsewhere"))).toBe("pid 2001");
    // The one in the directory whose session is not known to be another.
    expect(from(thread("t2", "/w"))).toBe("pid 2002");
    codex({ pane: "%3", pid: 2003, cwd: "/w" });
    codex({ pane: "%4", pid: 2004, cwd: "/w" });
    expect(from(thread("t3", "/w"))).toBe("bind_ambiguous");
  });

  it("is not given to a neighbour in the directory if its session is known to be another runtime's", () => {
    codex({ pane: "%1", pid: 2001, cwd: "/one", session: "t1" });
    codex({ pane: "%2", pid: 2002, cwd: "/two" });
    expect(from(thread("t1", "/two"))).toBe("pid 2001");
  });

  it("is of nobody in the directory who began well after it", () => {
    codex({ pane: "%1", pid: 2001, cwd: "/w", startedAt: START });
    expect(from(thread("t1", "/w"), START - WINDOW - 1)).toBe("pending");
    expect(from(thread("t1", "/w"), START - WINDOW)).toBe("pid 2001");
  });
});

describe("TC-004 an event whose session is known to be a former runtime's", () => {
  const tenant: BindingCandidate = {
    runtimeId: "tenant",
    targetId: "host",
    paneId: "%1",
    serverPid: 77,
    agentType: "claude",
    cwd: "/w",
    pids: [42],
    startedAt: 0,
  };
  const owners = (session: string): string[] =>
    session === "old" ? ["gone"] : session === "both" ? ["gone", "tenant"] : [];
  const bound = (hints: object, candidate: BindingCandidate = tenant): string => {
    const all = { agentType: "claude", targetIds: ["host"], parentPids: [], ...hints };
    const binding = bind(all, [candidate], WINDOW, owners);
    return binding.kind === "bound" ? binding.runtimeId : binding.kind;
  };
  const pane = { paneId: "%1" };

  it.each<[string, object, string]>([
    ["by its pane", { pane, agentSessionId: "old" }, "none"],
    ["by its directory", { cwd: "/w", agentSessionId: "old" }, "none"],
    ["though it carries a start", { pane, agentSessionId: "old", startHint: 0 }, "none"],
    ["by its pane, of a session nobody had", { pane, agentSessionId: "new" }, "tenant"],
    ["by its directory, of a session nobody had", { cwd: "/w", agentSessionId: "new" }, "tenant"],
    ["of a session that two were known by", { pane, agentSessionId: "both" }, "none"],
    ["by an ancestor that resumed it", { pane, agentSessionId: "old", parentPids: [42] }, "tenant"],
    ["by the runtime's id", { runtimeId: "tenant", agentSessionId: "old" }, "tenant"],
  ])("is bound %s", (_name, hints, expected) => {
    expect(bound(hints)).toBe(expected);
  });

  it("is the tenant's once it is known to have resumed it", () => {
    expect(bound({ pane, agentSessionId: "old" }, { ...tenant, agentSessionId: "old" })).toBe("tenant");
  });
});

describe("TC-009 the time that an event may wait", () => {
  it("does not run before every target that it may belong to has shown its panes in this daemon life", () => {
    lab.seen.clear();
    expect(outcome({ paneId: "%1", parentPids: [1001n] })).toBe("pending");
    lab.restart();
    expect(lab.retryInbox(START + 1_000 * TTL)).toBe(1);
    lab.seen.add("host");
    agent({ pane: "%1", pid: 1001 });
    expect(lab.retryInbox(START + 1_000 * TTL)).toBe(0);
    expect(lab.status(runtimeRecord({ pid: 1001, startedAt: START - 60 * SECOND }).runtimeId).state).toBe(
      "completed",
    );
  });

  it("is counted from its acceptance, not from the event: a spooled one waits as long as any", () => {
    const late = START + 3_600 * SECOND;
    const eventTimeUnixNs = BigInt(START) * NS;
    expect(outcome({ paneId: "%1", parentPids: [1001n], eventTimeUnixNs }, late, { spooledAt: START })).toBe(
      "pending",
    );
    expect(lab.retryInbox(late + TTL)).toBe(1);
    expect(lab.retryInbox(late + TTL + 1)).toBe(0);
  });
});
