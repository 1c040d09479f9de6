import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ErrorCode, SignalSource } from "../../gen/agtmux/v1/common_pb.js";
import {
  type EventEnvelope,
  EventEnvelopeSchema,
  IngestStatus,
  TmuxServerSchema,
} from "../../gen/agtmux/v1/ingest_pb.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { Ingestor } from "../../src/server/api/ingest-service.js";
import { DEFAULTS } from "../../src/server/config.js";
import { ContractError } from "../../src/server/contract-error.js";
import { type Intake, prepare } from "../../src/server/ingest/envelope.js";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import { JournalLab, runtimeRecord, START } from "./journal-harness.js";

const registry = new AdapterRegistry();
const intake: Intake = {
  adapter: (agentType) => registry.find(agentType),
  ancestors: (_adapter, pids) => pids,
  maxPayloadBytes: DEFAULTS.hookPayloadBytes,
};

/** A field's value as it may stand on the wire, types and all. */
type Fields = Partial<Omit<EventEnvelope, "$typeName" | "$unknown">>;

const GOOD: Fields = {
  eventId: "8c8ab2c4-0000-4000-8000-000000000001",
  eventType: "Stop",
  agentType: "claude",
  source: SignalSource.HOOK,
  eventTimeUnixNs: BigInt(START) * 1_000n,
  eventTimeResolutionNs: 1n,
  paneId: "%1",
  rawPayload: Buffer.from('{"session_id":"5b0e7b0c","cwd":"/w"}'),
};

function envelope(fields: Fields = {}): EventEnvelope {
  return create(EventEnvelopeSchema, { ...GOOD, ...fields });
}

function taken(fields: Fields = {}, through: Partial<Intake> = {}): PreparedEvent {
  const prepared = prepare(envelope(fields), { ...intake, ...through });
  if (prepared.kind !== "event") throw new Error("foreign");
  return prepared.event;
}

function refusal(fields: Fields): unknown {
  try {
    taken(fields);
  } catch (error) {
    if (error instanceof ContractError) return [ErrorCode[error.code], error.details["field"]];
    throw error;
  }
  return "taken";
}

const tmux = (serverPid: bigint, socketPath = "/tmp/tmux-1/default") =>
  create(TmuxServerSchema, { serverPid, socketPath });
const LONG = 2n ** 63n - 1n;

const BAD: readonly [field: string, name: string, fields: Fields][] = [
  ["event_id", "missing", { eventId: "" }],
  ["event_id", "no UUID", { eventId: "8c8ab2c4" }],
  ["event_id", "a UUID with more behind it", { eventId: `${GOOD.eventId}0` }],
  ["event_type", "missing", { eventType: "" }],
  ["event_type", "too long", { eventType: "x".repeat(129) }],
  ["event_type", "with a control character", { eventType: "Stop\n" }],
  ["event_type", "not ASCII", { eventType: "Støp" }],
  ["event_type", "a secret", { eventType: "sk-ant-0123456789abcdef0123" }],
  ["agent_type", "missing", { agentType: "" }],
  ["agent_type", "too long", { agentType: "c".repeat(33) }],
  ["agent_type", "in capitals", { agentType: "Claude" }],
  ["agent_type", "of no adapter", { agentType: "nobody" }],
  ["agent_type", "a name of Object's own", { agentType: "__proto__" }],
  ["source", "missing", { source: SignalSource.UNSPECIFIED }],
  ["source", "the daemon's own, reconciler", { source: SignalSource.RECONCILER }],
  ["source", "the daemon's own, action", { source: SignalSource.ACTION }],
  ["source", "of no meaning", { source: 99 as SignalSource /* as the wire may say */ }],
  ["channel", "too long", { channel: "c".repeat(65) }],
  ["channel", "with an escape sequence", { channel: "\u001b[31m" }],
  ["dedupe_key", "too long", { dedupeKey: "k".repeat(257) }],
  ["source_event_id", "too long", { sourceEventId: "k".repeat(257) }],
  ["source_seq", "negative", { sourceSeq: -1n }],
  ["source_seq", "past 2^53 - 1", { sourceSeq: 2n ** 53n }],
  ["event_time_unix_ns", "missing", { eventTimeUnixNs: 0n }],
  ["event_time_unix_ns", "negative", { eventTimeUnixNs: -1n }],
  ["event_time_resolution_ns", "negative", { eventTimeResolutionNs: -1n }],
  ["spooled", "said by an emitter", { spooled: true }],
  ["runtime_id", "no hash", { runtimeId: "r1" }],
  ["runtime_id", "missing, as is every other binding", { paneId: "", rawPayload: new Uint8Array() }],
  ["tmux.server_pid", "negative", { tmux: tmux(-5n) }],
  ["tmux.server_pid", "no process id", { tmux: tmux(LONG) }],
  ["tmux.socket_path", "too long", { tmux: tmux(1n, `/${"s".repeat(4096)}`) }],
  ["pane_id", "a tmux target, not an id", { paneId: "work:1.0" }],
  ["pane_id", "an id with a command behind it", { paneId: "%1;kill-server" }],
  ["agent_session_id", "too long", { agentSessionId: "s".repeat(129) }],
  ["cwd", "too long", { cwd: `/${"d".repeat(4096)}` }],
  [
    "cwd",
    "too long, in the payload",
    { rawPayload: Buffer.from(JSON.stringify({ cwd: "d".repeat(5_000) })) },
  ],
  ["pid", "zero", { pid: 0n }],
  ["pid", "negative", { pid: -1n }],
  ["pid", "too large", { pid: 2n ** 31n }],
  ["parent_pids", "negative", { parentPids: [1n, -1n] }],
  ["parent_pids", "too many", { parentPids: Array.from({ length: 33 }, () => 5n) }],
  ["start_hint_unix_ns", "negative", { startHintUnixNs: -1n }],
  ["action_id", "too long", { actionId: "a".repeat(65) }],
];

describe("an envelope", () => {
  it.each(BAD)("whose %s is %s is E_INVALID_ARGUMENT naming that field", (field, _name, fields) => {
    expect(refusal(fields)).toEqual(["E_INVALID_ARGUMENT", field]);
  });

  it("with the least that is required is taken", () => {
    expect(taken()).toMatchObject({
      eventType: "Stop",
      source: "hook",
      channel: "",
      dedupeKey: GOOD.eventId,
      eventTime: START,
      resolution: 1,
      spooled: false,
      agentSessionId: "5b0e7b0c",
      hints: { pane: { paneId: "%1" }, cwd: "/w", parentPids: [] },
      transition: { kind: "stop" },
    });
  });

  it("with everything at its bound is taken", () => {
    const fields: Fields = {
      eventType: "x".repeat(128),
      channel: "c".repeat(64),
      dedupeKey: "k".repeat(256),
      sourceEventId: "i".repeat(256),
      sourceSeq: 2n ** 53n - 1n,
      eventTimeResolutionNs: LONG,
      runtimeId: "a".repeat(64),
      tmux: tmux(2n ** 31n - 1n, `/${"s".repeat(4095)}`),
      agentSessionId: "s".repeat(128),
      cwd: `/${"d".repeat(4095)}`,
      pid: 2n ** 31n - 1n,
      parentPids: Array.from({ length: 32 }, () => 1n),
      startHintUnixNs: LONG,
      actionId: "a".repeat(64),
    };
    expect(refusal(fields)).toBe("taken");
  });

  it.each<[string, bigint]>([
    ["the first nanosecond", 1n],
    ["the last that fits", LONG],
  ])("of %s is taken: time is judged where it is put in order", (_name, eventTimeUnixNs) => {
    expect(Number.isFinite(taken({ eventTimeUnixNs }).eventTime)).toBe(true);
  });

  it("keeps its id in any spelling", () => {
    expect(taken({ eventId: GOOD.eventId?.toUpperCase() ?? "" }).eventId).toBe(GOOD.eventId);
  });

  it("is marked as spooled by the spool reader alone", () => {
    expect(taken({}, { spooledAt: 5 })).toMatchObject({ spooled: true, spooledAt: 5 });
  });

  it("binds by its pane only where the agent reports it reliably", () => {
    expect(taken({ agentType: "codex" }).hints.pane).toBeUndefined();
    expect(taken({ tmux: tmux(77n) }).hints.pane).toEqual({ paneId: "%1", serverPid: 77 });
    expect(taken({ tmux: tmux(0n) }).hints.pane).toEqual({ paneId: "%1", serverPid: undefined });
  });

  it("lets no identifier that looks like a secret through as it stands, and keeps it recognisable", () => {
    const secret = "sk-ant-api03-0123456789abcdef0123456789";
    const event = taken({
      dedupeKey: secret,
      sourceEventId: secret,
      agentSessionId: secret,
      cwd: `/w/token=${secret}`,
    });
    expect(JSON.stringify(event)).not.toContain(secret);
    expect(event.hints.cwd).toBeUndefined();
    expect(taken({ dedupeKey: secret }).dedupeKey).toBe(event.dedupeKey);
    expect(event.dedupeKey).toMatch(/^[0-9a-f]{64}$/u);
  });

  it("of an agent that is not in the pane is foreign, not an error", () => {
    const rawPayload = Buffer.from(JSON.stringify({ cursor_version: "1.7" }));
    expect(prepare(envelope({ rawPayload }), intake)).toEqual({ kind: "foreign" });
  });

  it("cut at 256 KiB is normalised by its leading fields", () => {
    const rawPayload = Buffer.from(
      JSON.stringify({
        session_id: "s1",
        notification_type: "permission_prompt",
        message: "x".repeat(300_000),
      }),
    );
    const event = taken({ eventType: "Notification", rawPayload });
    expect(event).toMatchObject({ agentSessionId: "s1", transition: { kind: "permission_reminder" } });
  });
});

describe("a batch", () => {
  it("is answered event by event, in order, and its good ones are taken whatever the others are", async () => {
    const lab = new JournalLab();
    try {
      lab.open(runtimeRecord({ startedAt: START - 60_000_000 }));
      const { journal } = lab;
      const now = (): number => START;
      const ingestor = new Ingestor({
        journal,
        commit: new GroupCommit(journal, now),
        maxEvents: 1_000,
        now,
        intake,
      });
      const uuid = (index: number): string => `8c8ab2c4-0000-4000-8000-${String(index).padStart(12, "0")}`;
      const mixed = BAD.flatMap(([, , bad], index) => [
        envelope({ eventId: uuid(index) }),
        envelope({ eventId: uuid(1_000 + index), ...bad }),
      ]);
      const results = await ingestor.ingest(mixed);
      const good = results.filter((_, index) => index % 2 === 0);
      const bad = results.filter((_, index) => index % 2 === 1);
      expect(good.every(({ status }) => status === IngestStatus.ACCEPTED)).toBe(true);
      expect(
        bad.every(
          ({ status, code }) => status === IngestStatus.REJECTED && code === ErrorCode.E_INVALID_ARGUMENT,
        ),
      ).toBe(true);
      expect(bad.map(({ reason }) => reason.split(":")[0])).toEqual(BAD.map(([field]) => field));
      const stored = lab.store.events.list({ limit: 1_000 }).map(({ eventId }) => eventId);
      expect(stored.sort()).toEqual(BAD.map((_, index) => uuid(index)));
    } finally {
      lab.close();
    }
  });
});
