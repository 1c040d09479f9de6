import { type BoundEvent, DAEMON_TRANSITIONS } from "./event.js";
import { advanceMarks, inOrder, type OrderKey, orderKey, type SequenceMarks } from "./order.js";
import { type Judged, resolve } from "./resolve.js";
import type { Candidate, Micros, Status } from "./state.js";

/** JSON data only, so that a checkpoint can be stored and compared. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * An adapter's pure fold over one runtime's events, in order. `M` must be JSON data. Events without a transition
 * and the daemon's own transitions never reach it.
 */
export interface Reducer<M> {
  readonly initial: M;
  reduce(memory: M, event: BoundEvent): M;
  /** The candidates that the memory stands for; the adapter has joined its own channels. */
  candidates(memory: M): readonly Candidate[];
}

/** A fact that the daemon itself established, until an event lifts it. */
interface Override {
  readonly eventId: string;
  readonly at: Micros;
}

/** Everything that folding has to remember; equal event sets give equal folds. */
export interface Fold<M> {
  readonly memory: M;
  readonly marks: SequenceMarks;
  readonly last?: OrderKey | undefined;
  readonly count: number;
  /** Effective time of the newest sign of life; the process's start if there was none. */
  readonly sign: Micros;
  readonly targetDown?: Override | undefined;
  readonly suspended?: Override | undefined;
  /** Applies as long as the candidate that decided is still the one that `guard` names. */
  readonly stale?: (Override & { readonly guard: string }) | undefined;
  readonly demoted?: (Override & { readonly guard: string }) | undefined;
  readonly status: Status;
  /** The value before the target went down, to be taken up again if the gap ends in it. */
  readonly beforeGap?: { readonly state: Status["state"]; readonly since: Micros } | undefined;
}

/** What is said of a runtime that has said nothing yet. */
export function emptyFoldStatus(startedAt: Micros): Status {
  return {
    state: "unknown",
    reason: "no_signal_yet",
    confidence: "low",
    source: "poller",
    channel: "process",
    eventId: "",
    at: startedAt,
    since: startedAt,
  };
}

/** A fold of nothing: the runtime is there and has said nothing yet. */
export function emptyFold<M>(reducer: Reducer<M>, startedAt: Micros): Fold<M> {
  return {
    memory: reducer.initial,
    marks: {},
    count: 0,
    sign: startedAt,
    status: emptyFoldStatus(startedAt),
  };
}

/** Folds one event that extends the order (see `extendsOrder`); see `Timeline` for any other. */
export function foldEvent<M>(fold: Fold<M>, event: BoundEvent, reducer: Reducer<M>): Fold<M> {
  const key = orderKey(event, fold.marks);
  const next = apply(fold, event, key.time, reducer);
  const stepped = {
    ...next,
    marks: advanceMarks(fold.marks, event, key),
    last: key,
    count: fold.count + 1,
    sign: signOf(fold, event),
  };
  return event.transition === undefined ? stepped : settle(stepped, key.time, reducer);
}

/** Folds a set of events, given in any order, on top of `start`. */
export function refold<M>(start: Fold<M>, events: readonly BoundEvent[], reducer: Reducer<M>): Fold<M> {
  let fold = start;
  for (const { event } of inOrder(events, start.marks)) fold = foldEvent(fold, event, reducer);
  return fold;
}

/** Whatever comes from the agent, its screen or its processes and has a meaning is a sign of life. */
function signOf<M>(fold: Fold<M>, { source, transition, effectiveTime }: BoundEvent): Micros {
  const isSign = transition !== undefined && source !== "reconciler" && source !== "action";
  return isSign ? Math.max(fold.sign, effectiveTime) : fold.sign;
}

function apply<M>(fold: Fold<M>, event: BoundEvent, at: Micros, reducer: Reducer<M>): Fold<M> {
  const transition = event.transition;
  if (transition === undefined) return fold;
  const override = { eventId: event.eventId, at };
  switch (transition.kind) {
    case DAEMON_TRANSITIONS.targetDown:
      return fold.targetDown === undefined ? { ...fold, targetDown: override } : fold;
    case DAEMON_TRANSITIONS.targetUp:
      return { ...fold, targetDown: undefined };
    case DAEMON_TRANSITIONS.suspended:
      return { ...fold, suspended: override };
    case DAEMON_TRANSITIONS.resumed:
      return { ...fold, suspended: undefined };
    case DAEMON_TRANSITIONS.stale:
    case DAEMON_TRANSITIONS.demotion: {
      // The guard names the event that decided when the reconciler looked; anything newer voids its judgement.
      const guard = transition.attributes?.["guard"];
      if (typeof guard !== "string" || guard !== fold.status.eventId) return fold;
      // So does a sign of life that it had not heard of; judgements of earlier versions do not say what they had.
      const sign = transition.attributes?.["sign"];
      if (transition.kind === DAEMON_TRANSITIONS.stale && typeof sign === "number" && fold.sign > sign)
        return fold;
      return transition.kind === DAEMON_TRANSITIONS.stale
        ? { ...fold, stale: { ...override, guard } }
        : { ...fold, demoted: { ...override, guard } };
    }
    default:
      // Whatever the agent shows of itself is a sign of life and voids a judgement of staleness.
      return {
        ...fold,
        stale: undefined,
        memory: reducer.reduce(fold.memory, { ...event, effectiveTime: at }),
      };
  }
}

/** Every candidate of a fold, judged; for `explain`. */
export function judge<M>(fold: Fold<M>, reducer: Reducer<M>): Judged[] {
  return resolve(reducer.candidates(fold.memory));
}

/** What the daemon's own facts make of the candidate that decides. */
function decide<M>(fold: Fold<M>, reducer: Reducer<M>): Omit<Status, "since"> {
  if (fold.targetDown !== undefined) {
    return own("target_unreachable", "low", "reconciler", "health", fold.targetDown);
  }
  if (fold.suspended !== undefined) return own("suspended", "high", "poller", "process", fold.suspended);
  const winner = judge(fold, reducer).find((judged) => judged.decisive)?.candidate;
  if (winner === undefined) {
    const { since: _, ...status } = emptyFoldStatus(fold.status.at);
    return status;
  }
  const { dialog, ...rest } = winner;
  const plain: Omit<Status, "since"> = dialog === undefined ? rest : { ...rest, dialog };
  if (fold.demoted?.guard === winner.eventId && winner.state === "completed") {
    return { ...plain, state: "idle", reason: "demoted" };
  }
  if (fold.stale?.guard === winner.eventId && winner.state === "running") {
    return { ...plain, state: "unknown", reason: "stale_signal", confidence: "low" };
  }
  return plain;
}

function own(
  reason: string,
  confidence: Status["confidence"],
  source: Status["source"],
  channel: string,
  override: Override,
): Omit<Status, "since"> {
  return {
    state: "unknown",
    reason,
    confidence,
    source,
    channel,
    eventId: override.eventId,
    at: override.at,
  };
}

/** An agent's own words never count as this, whatever reason they give. */
function isUnreachable(status: Omit<Status, "since">): boolean {
  return status.source === "reconciler" && status.reason === "target_unreachable";
}

function settle<M>(fold: Fold<M>, at: Micros, reducer: Reducer<M>): Fold<M> {
  const before = fold.status;
  const decided = decide(fold, reducer);
  const fellDown = !isUnreachable(before) && isUnreachable(decided);
  const cameBack = isUnreachable(before) && !isUnreachable(decided);
  if (fellDown) {
    const beforeGap = { state: before.state, since: before.since };
    return { ...fold, beforeGap, status: { ...decided, since: at } };
  }
  if (cameBack) {
    const kept = fold.beforeGap?.state === decided.state ? fold.beforeGap.since : at;
    return { ...fold, beforeGap: undefined, status: { ...decided, since: kept } };
  }
  const since = before.state === decided.state ? before.since : at;
  return { ...fold, status: { ...decided, since } };
}
