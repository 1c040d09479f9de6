import { create } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  ObservationSchema,
  PaneIdentitySchema,
  SignalSource,
  Confidence as WireConfidence,
  AgentState as WireState,
} from "../../../gen/agtmux/v1/common_pb.js";
import {
  type AgentStatus,
  AgentStatusSchema,
  type Pane,
  PaneSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { AgentState, Confidence, Micros, Source } from "../engine/state.js";
import { needsAction } from "../engine/state.js";
import type { RuntimeRecord } from "../store/runtime-store.js";
import type { StateRecord } from "../store/state-store.js";
import { normalizeTitle } from "../tmux/title.js";
import type { PaneRow } from "../tmux/topology.js";

export const STATE_TO_WIRE: Readonly<Record<AgentState, WireState>> = {
  unknown: WireState.UNKNOWN,
  idle: WireState.IDLE,
  completed: WireState.COMPLETED,
  running: WireState.RUNNING,
  waiting_input: WireState.WAITING_INPUT,
  waiting_approval: WireState.WAITING_APPROVAL,
  error: WireState.ERROR,
};

const STATE_NAMES = new Map<WireState, AgentState>(
  // Sound: the keys of the table above are exactly the states.
  Object.entries(STATE_TO_WIRE).map(([name, wire]) => [wire, name as AgentState]),
);

export const CONFIDENCE_TO_WIRE: Readonly<Record<Confidence, WireConfidence>> = {
  low: WireConfidence.LOW,
  medium: WireConfidence.MEDIUM,
  high: WireConfidence.HIGH,
};

export const SOURCE_TO_WIRE: Readonly<Record<Source, SignalSource>> = {
  hook: SignalSource.HOOK,
  notify: SignalSource.NOTIFY,
  wrapper: SignalSource.WRAPPER,
  native: SignalSource.NATIVE,
  poller: SignalSource.POLLER,
  reconciler: SignalSource.RECONCILER,
  action: SignalSource.ACTION,
};

/** The contract's name of a wire state; undefined for UNSPECIFIED and for numbers that nobody knows. */
export function stateName(state: WireState): AgentState | undefined {
  return STATE_NAMES.get(state);
}

export function timestamp(micros: Micros): Timestamp {
  const seconds = Math.floor(micros / 1_000_000);
  return create(TimestampSchema, {
    seconds: BigInt(seconds),
    nanos: Math.round(micros - seconds * 1_000_000) * 1_000,
  });
}

/** What is finer than a microsecond is cut: a time that was given out comes back as it was, and never a later one. */
export function timestampMicros({ seconds, nanos }: Timestamp): Micros {
  return Number(seconds) * 1_000_000 + Math.floor(nanos / 1_000);
}

export function durationMicros({ seconds, nanos }: Duration): Micros {
  return Number(seconds) * 1_000_000 + Math.trunc(nanos / 1_000);
}

/** The session part of a canonical ref: everything but letters, digits and `-_.~` is percent-encoded UTF-8. */
export function encodeSessionName(name: string): string {
  return encodeURIComponent(name).replace(
    /[!'()*]/gu,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Canonical ref of a pane; see docs/spec.md section 9. */
export function paneRef(identity: {
  target: string;
  sessionName: string;
  windowId: string;
  paneId: string;
}): string {
  const session = encodeSessionName(identity.sessionName);
  return `pane:${identity.target}/${session}/${identity.windowId}/${identity.paneId}`;
}

/** What a pane's row shows of its agent. Dialog texts and titles come from memory, never from the store. */
export interface AgentFacts {
  readonly record: RuntimeRecord;
  readonly state: StateRecord;
  readonly promptText: string;
}

export function agentStatus(facts: AgentFacts): AgentStatus {
  const { record, state } = facts;
  return create(AgentStatusSchema, {
    runtimeId: record.runtimeId,
    agentType: record.agentType,
    agentPid: BigInt(record.agentPid),
    agentSessionId: record.agentSessionId,
    state: STATE_TO_WIRE[state.status.state],
    reasonCode: state.status.reason,
    confidence: CONFIDENCE_TO_WIRE[state.status.confidence],
    source: SOURCE_TO_WIRE[state.status.source],
    channel: state.status.channel,
    stateVersion: BigInt(state.stateVersion),
    since: timestamp(state.status.since),
    updatedAt: timestamp(state.updatedAt),
    needsAction: needsAction(state.status.state),
    promptId: state.promptId,
    promptText: state.promptId === "" ? "" : facts.promptText,
    startedAt: timestamp(Number(record.startedAtNs / 1_000n)),
    ...(record.endedAt === undefined
      ? {}
      : { endedAt: timestamp(record.endedAt), endReason: record.endReason ?? "" }),
    ...(record.exitStatus === undefined ? {} : { exitStatus: record.exitStatus }),
  });
}

/** A pane's row. Its observation lacks observed_at: that is the time of the message that carries the row. */
export function paneRow(target: string, bootId: string, row: PaneRow, agent: AgentFacts | undefined): Pane {
  const identity = create(PaneIdentitySchema, {
    target,
    sessionName: row.sessionName,
    windowId: row.windowId,
    paneId: row.paneId,
  });
  return create(PaneSchema, {
    identity,
    alsoIn: [...row.alsoIn],
    ref: paneRef(identity),
    windowName: row.windowName,
    windowIndex: row.windowIndex,
    paneIndex: row.paneIndex,
    panePid: BigInt(row.panePid),
    currentCommand: row.currentCommand ?? "",
    title: normalizeTitle(row.title),
    cwd: row.currentPath ?? "",
    dead: row.dead,
    inMode: row.inMode,
    alternateOn: row.alternateOn,
    width: row.width,
    height: row.height,
    observation: create(ObservationSchema, {
      runtimeId: agent?.record.runtimeId ?? "",
      stateVersion: BigInt(agent?.state.stateVersion ?? 0),
      bootId,
      paneId: row.paneId,
      panePid: BigInt(row.panePid),
    }),
    ...(agent === undefined ? {} : { agent: agentStatus(agent) }),
  });
}
