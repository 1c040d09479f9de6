import { createHash } from "node:crypto";
import { SignalSource } from "../../../gen/agtmux/v1/common_pb.js";
import type { EventEnvelope } from "../../../gen/agtmux/v1/ingest_pb.js";
import type { Adapter, AnyAdapter } from "../adapters/contract.js";
import { invalidArgument } from "../contract-error.js";
import { defaultDedupeKey } from "../engine/dedupe.js";
import type { Micros, Source } from "../engine/state.js";
import { parsePayload } from "../payload.js";
import type { PreparedEvent } from "./prepared-event.js";
import { cleanLine, looksSecret, opaqueId, redact, redactText } from "./redact.js";

/** What the listener knows of where an event comes from. */
export interface Intake {
  readonly adapter: (agentType: string) => AnyAdapter | undefined;
  /** Which of the emitter's ancestors may prove a pane; see `ancestry.ts`. */
  readonly ancestors: (adapter: Adapter, pids: readonly number[]) => readonly number[];
  readonly maxPayloadBytes: number;
  /** Set by the spool reader alone. */
  readonly spooledAt?: Micros | undefined;
  /** Absent: this host. */
  readonly origin?: Origin | undefined;
}

/** The host of an ssh target: whatever its events say, they are that target's. */
export interface Origin {
  readonly targetId: string;
  /** What its clock is ahead of the daemon's. */
  readonly clockOffset: Micros;
}

/** What became of an envelope before it met a runtime. */
export type Prepared =
  | { readonly kind: "event"; readonly event: PreparedEvent }
  /** A signal that is not of an agent in a pane (a hidden helper thread): counted, then forgotten. */
  | { readonly kind: "foreign" };

const SOURCES: Partial<Record<SignalSource, Source>> = {
  [SignalSource.HOOK]: "hook",
  [SignalSource.NOTIFY]: "notify",
  [SignalSource.WRAPPER]: "wrapper",
  [SignalSource.NATIVE]: "native",
  [SignalSource.POLLER]: "poller",
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u;
const AGENT_TYPE = /^[a-z0-9_-]{1,32}$/u;
const PANE_ID = /^%\d{1,9}$/u;
const HEX_ID = /^[0-9a-f]{64}$/u;
const PRINTABLE = /^[\u0020-\u007e]+$/u;
const MAX_PARENTS = 32;
const MAX_PATH = 4096;
const MAX_PID = 2 ** 31 - 1;

function word(field: string, value: string, maxChars: number, required: boolean): string {
  if (value === "" && !required) return "";
  if (value === "" || value.length > maxChars || !PRINTABLE.test(value)) {
    throw invalidArgument(field, `must be 1 to ${maxChars} printable ASCII characters`);
  }
  return value;
}

/** A word that is stored as it stands. */
function publicWord(field: string, value: string, maxChars: number, required: boolean): string {
  if (looksSecret(word(field, value, maxChars, required)))
    throw invalidArgument(field, "looks like a secret");
  return value;
}

function micros(field: string, nanoseconds: bigint): Micros {
  if (nanoseconds < 0n) throw invalidArgument(field, "must not be negative");
  return Number(nanoseconds / 1_000n);
}

function path(field: string, value: string): string {
  if (value.length > MAX_PATH) throw invalidArgument(field, `must be at most ${MAX_PATH} characters`);
  return cleanLine(value, MAX_PATH);
}

function pid(field: string, value: bigint): number {
  if (value < 1n || value > BigInt(MAX_PID)) throw invalidArgument(field, "must be a process id");
  return Number(value);
}

/**
 * Checks an envelope and normalises its payload. Throws ContractError (E_INVALID_ARGUMENT) naming the field that is
 * missing, malformed or out of range.
 */
export function prepare(envelope: EventEnvelope, intake: Intake): Prepared {
  const { origin } = intake;
  const givenId = envelope.eventId.toLowerCase();
  if (!UUID.test(givenId)) throw invalidArgument("event_id", "must be a UUID");
  const eventId = origin === undefined ? givenId : idOfOrigin(origin.targetId, givenId);
  const eventType = publicWord("event_type", envelope.eventType, 128, true);
  if (!AGENT_TYPE.test(envelope.agentType))
    throw invalidArgument("agent_type", "must match [a-z0-9_-]{1,32}");
  const adapter = intake.adapter(envelope.agentType);
  if (adapter === undefined) throw invalidArgument("agent_type", "no adapter has that name");
  const source = SOURCES[envelope.source];
  if (source === undefined) {
    throw invalidArgument("source", "must be hook, notify, wrapper, native or poller");
  }
  if (envelope.spooled) throw invalidArgument("spooled", "is set by the daemon's spool reader alone");
  const channel = publicWord("channel", envelope.channel, 64, false);
  if (envelope.eventTimeUnixNs === 0n) throw invalidArgument("event_time_unix_ns", "is required");
  const sourceSeq = sequence(envelope.sourceSeq);

  const raw = envelope.rawPayload.subarray(0, intake.maxPayloadBytes);
  const normalized = adapter.normalize({ source, channel, eventType, payload: parsePayload(raw).payload });
  if (normalized.foreign === true) return { kind: "foreign" };
  const hints = bindingHints(envelope, adapter, intake, normalized);
  const event: PreparedEvent = {
    eventId,
    eventType,
    agentType: envelope.agentType,
    source,
    channel,
    dedupeKey:
      opaqueId(word("dedupe_key", envelope.dedupeKey, 256, false), 256) ||
      defaultDedupeKey({ eventId, source, sourceEventId: envelope.sourceEventId, eventType, payload: raw }),
    sourceEventId: opaqueId(word("source_event_id", envelope.sourceEventId, 256, false), 256),
    sourceSeq,
    eventTime: hints.eventTime,
    resolution: Math.max(1, micros("event_time_resolution_ns", envelope.eventTimeResolutionNs)),
    spooled: intake.spooledAt !== undefined,
    spooledAt: intake.spooledAt,
    hints,
    tmuxSocket: redactText(path("tmux.socket_path", envelope.tmux?.socketPath ?? "")),
    transition: normalized.transition === undefined ? undefined : redact(normalized.transition),
    agentSessionId: hints.agentSessionId,
    // Actions are this daemon's; another host has nothing to say of them.
    actionId:
      origin === undefined
        ? opaqueId(word("action_id", envelope.actionId, 64, false), 64) || undefined
        : undefined,
  };
  return { kind: "event", event };
}

function sequence(value: bigint | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalidArgument("source_seq", "must be from 0 to 2^53 - 1");
  }
  return Number(value);
}

function bindingHints(
  envelope: EventEnvelope,
  adapter: AnyAdapter,
  intake: Intake,
  normalized: { agentSessionId?: string | undefined; cwd?: string | undefined },
): PreparedEvent["hints"] & { readonly eventTime: Micros } {
  const { origin } = intake;
  const offset = origin?.clockOffset ?? 0;
  if (envelope.paneId !== "" && !PANE_ID.test(envelope.paneId)) {
    throw invalidArgument("pane_id", "must be a tmux pane id, %N");
  }
  if (envelope.runtimeId !== "" && !HEX_ID.test(envelope.runtimeId)) {
    throw invalidArgument("runtime_id", "must be 64 hex digits");
  }
  if (envelope.parentPids.length > MAX_PARENTS)
    throw invalidArgument("parent_pids", `at most ${MAX_PARENTS}`);
  const parentPids = envelope.parentPids.map((parent) => pid("parent_pids", parent));
  const serverPid = envelope.tmux?.serverPid ?? 0n;
  const sessionId =
    word("agent_session_id", envelope.agentSessionId, 128, false) || normalized.agentSessionId;
  const agentSessionId = sessionId === undefined ? undefined : opaqueId(sessionId, 128);
  const directory = path("cwd", envelope.cwd) || path("cwd", normalized.cwd ?? "");
  const cwd = directory === "" || looksSecret(directory) ? undefined : directory;
  if (
    envelope.runtimeId === "" &&
    envelope.paneId === "" &&
    agentSessionId === undefined &&
    parentPids.length === 0
  ) {
    throw invalidArgument("runtime_id", "one of runtime_id, pane_id and agent_session_id is required");
  }
  const server = serverPid === 0n ? undefined : pid("tmux.server_pid", serverPid);
  const pane = envelope.paneId === "" || adapter.paneIdUnreliable ? undefined : envelope.paneId;
  return {
    agentType: envelope.agentType,
    runtimeId: envelope.runtimeId || undefined,
    pane: pane === undefined ? undefined : { paneId: pane, serverPid: server },
    agentSessionId,
    cwd,
    pid: envelope.pid === undefined ? undefined : pid("pid", envelope.pid),
    parentPids: intake.ancestors(adapter, parentPids),
    startHint:
      envelope.startHintUnixNs === undefined
        ? undefined
        : micros("start_hint_unix_ns", envelope.startHintUnixNs) - offset,
    eventTime: Math.max(0, micros("event_time_unix_ns", envelope.eventTimeUnixNs) - offset),
    ...(origin === undefined ? {} : { targetIds: [origin.targetId] }),
  };
}

/**
 * The id under which a target's event is stored: one host cannot take the place of another's event by its id, and a
 * host that is two targets may tell both of the same one.
 */
function idOfOrigin(targetId: string, eventId: string): string {
  const hash = createHash("sha256").update(`${targetId}\0${eventId}`).digest("hex");
  // A UUID of version 8: its maker's own.
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
