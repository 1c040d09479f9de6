import type { ActionTarget } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { AgentState, Micros } from "../engine/state.js";
import { durationMicros, stateName, timestampMicros } from "../watch/rows.js";

/** An id of an observation; lists give none that are longer or of other characters. */
const ID = /^[A-Za-z0-9:%]{0,128}$/u;

/** What was looked at, as the caller gives it back. */
export interface Expectation {
  /** '' for a pane without an agent. */
  readonly runtimeId: string;
  readonly stateVersion: number;
  readonly observedAt: Micros;
  readonly bootId: string;
  readonly paneId: string;
  readonly panePid: number;
  readonly ifRuntime: string;
  readonly ifState: readonly AgentState[];
  readonly ifUpdatedWithin: Micros | undefined;
  readonly forceStale: boolean;
}

/** What is there now. */
export interface Found {
  readonly bootId: string;
  readonly paneId: string;
  readonly panePid: number;
  readonly agent?:
    | {
        readonly runtimeId: string;
        readonly stateVersion: number;
        readonly state: AgentState;
        readonly updatedAt: Micros;
      }
    | undefined;
}

/** Reads the guards of a request. Throws ContractError E_INVALID_ARGUMENT. */
export function expectation(target: ActionTarget, now: Micros): Expectation {
  const { expect } = target;
  if (expect === undefined)
    throw invalidArgument("target.expect", "is required: the observation of a listed item");
  const observedAt = expect.observedAt === undefined ? 0 : timestampMicros(expect.observedAt);
  if (!(observedAt > 0)) throw invalidArgument("target.expect.observed_at", "is required");
  if (observedAt > now) throw invalidArgument("target.expect.observed_at", "lies in the future");
  const ifState = target.ifState.map((state) => {
    const name = stateName(state);
    if (name === undefined) throw invalidArgument("target.if_state", "no such state");
    return name;
  });
  const within = target.ifUpdatedWithin === undefined ? undefined : durationMicros(target.ifUpdatedWithin);
  if (within !== undefined && !(within > 0))
    throw invalidArgument("target.if_updated_within", "must be more than 0");
  return {
    runtimeId: id("runtime_id", expect.runtimeId),
    stateVersion: whole("state_version", expect.stateVersion),
    observedAt,
    bootId: id("boot_id", expect.bootId),
    paneId: id("pane_id", expect.paneId),
    panePid: whole("pane_pid", expect.panePid),
    ifRuntime: target.ifRuntime,
    ifState,
    ifUpdatedWithin: within,
    forceStale: target.forceStale,
  };
}

function id(field: string, text: string): string {
  if (!ID.test(text)) throw invalidArgument(`target.expect.${field}`, "is none that a list gives");
  return text;
}

function whole(field: string, number: bigint): number {
  if (number < 0n || number > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalidArgument(`target.expect.${field}`, "is none that a list gives");
  return Number(number);
}

/**
 * Why what is there now is not what was looked at; undefined if it is. Who is there comes first, then how old the look
 * is, then in what state.
 */
export function mismatch(
  expected: Expectation,
  found: Found,
  now: Micros,
  snapshotMs: number,
): ContractError | undefined {
  return another(expected, found) ?? tooOld(expected, now, snapshotMs) ?? changed(expected, found, now);
}

function another(
  expected: Expectation,
  { agent, bootId, paneId, panePid }: Found,
): ContractError | undefined {
  const stale = (message: string): ContractError =>
    new ContractError(ErrorCode.E_RUNTIME_STALE, message, {
      expected: expected.runtimeId,
      found: agent?.runtimeId ?? "",
    });
  if (expected.runtimeId !== (agent?.runtimeId ?? "")) {
    if (agent === undefined) return stale("the agent that was looked at has ended");
    return stale(
      expected.runtimeId === ""
        ? "an agent has begun in that pane since it was looked at"
        : "the pane has another agent than the one that was looked at",
    );
  }
  if (expected.ifRuntime !== "" && expected.ifRuntime !== (agent?.runtimeId ?? ""))
    return stale("the pane's agent is not the one that if_runtime names");
  if (agent !== undefined) return undefined;
  // Without an agent nothing else says that the pane is the same.
  if (expected.bootId !== bootId || expected.paneId !== paneId || expected.panePid !== panePid)
    return stale("the pane has another process than the one that was looked at");
  return undefined;
}

function tooOld(expected: Expectation, now: Micros, snapshotMs: number): ContractError | undefined {
  if (expected.forceStale) return undefined;
  const ageMs = (now - expected.observedAt) / 1_000;
  if (ageMs <= snapshotMs) return undefined;
  return new ContractError(
    ErrorCode.E_SNAPSHOT_EXPIRED,
    `the pane was looked at ${Math.ceil(ageMs / 1_000)} s ago, at most ${snapshotMs / 1_000} s count: look again`,
    { age_ms: String(Math.ceil(ageMs)) },
  );
}

function changed(expected: Expectation, { agent }: Found, now: Micros): ContractError | undefined {
  const refused = (reason: string, message: string): ContractError =>
    new ContractError(ErrorCode.E_PRECONDITION_FAILED, message, { reason });
  const { ifState, ifUpdatedWithin, stateVersion, forceStale } = expected;
  if (agent === undefined) {
    const asked = ifState.length > 0 || ifUpdatedWithin !== undefined;
    return asked ? refused("no_agent", "there is no agent whose state could be as asked") : undefined;
  }
  if (!forceStale && agent.stateVersion !== stateVersion) {
    return refused(
      "state_changed",
      `the agent's state has changed since it was looked at; it is ${agent.state} now`,
    );
  }
  if (ifState.length > 0 && !ifState.includes(agent.state))
    return refused("if_state", `the agent is ${agent.state}, not ${ifState.join(" or ")}`);
  if (ifUpdatedWithin !== undefined && now - agent.updatedAt > ifUpdatedWithin)
    return refused("if_updated_within", "the agent's state has not changed for longer than asked");
  return undefined;
}
