import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AgentState, Confidence, SignalSource } from "../../../gen/agtmux/v1/common_pb.js";

/** States as the contract spells them. */
export const STATE_WORDS: Readonly<Record<AgentState, string>> = {
  [AgentState.UNSPECIFIED]: "",
  [AgentState.UNKNOWN]: "unknown",
  [AgentState.IDLE]: "idle",
  [AgentState.COMPLETED]: "completed",
  [AgentState.RUNNING]: "running",
  [AgentState.WAITING_INPUT]: "waiting_input",
  [AgentState.WAITING_APPROVAL]: "waiting_approval",
  [AgentState.ERROR]: "error",
};

const CONFIDENCE_WORDS: Readonly<Record<Confidence, string>> = {
  [Confidence.UNSPECIFIED]: "",
  [Confidence.LOW]: "low",
  [Confidence.MEDIUM]: "medium",
  [Confidence.HIGH]: "high",
};

const SOURCE_WORDS: Readonly<Record<SignalSource, string>> = {
  [SignalSource.UNSPECIFIED]: "",
  [SignalSource.HOOK]: "hook",
  [SignalSource.NOTIFY]: "notify",
  [SignalSource.WRAPPER]: "wrapper",
  [SignalSource.NATIVE]: "native",
  [SignalSource.POLLER]: "poller",
  [SignalSource.RECONCILER]: "reconciler",
  [SignalSource.ACTION]: "action",
};

/** The state's word; a state of a newer daemon reads as unknown, which is what it is to this client. */
export function stateWord(state: AgentState): string {
  return STATE_WORDS[state] ?? "unknown";
}

export function confidenceWord(confidence: Confidence): string {
  return CONFIDENCE_WORDS[confidence] ?? "";
}

export function sourceWord(source: SignalSource): string {
  return SOURCE_WORDS[source] ?? "";
}

/** `source/channel`, or the source alone where it has no channels. */
export function channelWord(source: SignalSource, channel: string): string {
  return channel === "" ? sourceWord(source) : `${sourceWord(source)}/${channel}`;
}

/** RFC 3339 in UTC with milliseconds. */
export function rfc3339(time: Timestamp): string {
  return new Date(timestampMs(time)).toISOString();
}

/** Counts in the order of precedence of their states. */
export const STATES_BY_PRECEDENCE: readonly AgentState[] = [
  AgentState.ERROR,
  AgentState.WAITING_APPROVAL,
  AgentState.WAITING_INPUT,
  AgentState.RUNNING,
  AgentState.COMPLETED,
  AgentState.IDLE,
  AgentState.UNKNOWN,
];
