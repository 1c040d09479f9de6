import fc from "fast-check";
import { type BoundEvent, DAEMON_TRANSITIONS, type Transition } from "../../src/server/engine/event.js";
import type { Reducer } from "../../src/server/engine/fold.js";
import { channelKey, effectiveTime } from "../../src/server/engine/order.js";
import type { AgentState, Candidate, Micros, Source } from "../../src/server/engine/state.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";

/** When the runtime of every random history began. */
export const START: Micros = 1_700_000_000_000_000;
export const SKEW_BUDGET: Micros = 10_000_000;
const SPAN = 120_000_000;
/** How many events may share an event_time, so that ties are common. */
const STEP = 500_000;

/** An event with everything that belongs to it, whoever delivers it when. */
export interface RandomEvent {
  readonly prepared: PreparedEvent;
  readonly ingestedAt: Micros;
}

/** Ids must not sort as they were made, or an order by arrival would look like one by id. */
export function eventId(index: number): string {
  const mixed = Math.imul(index + 1, 0x9e3779b1) >>> 0;
  return `${mixed.toString(16).padStart(8, "0")}-0000-4000-8000-${String(index).padStart(12, "0")}`;
}

const text = (...values: string[]): fc.Arbitrary<string> => fc.constantFrom(...values);

const hookTransition: fc.Arbitrary<Transition | undefined> = fc.oneof(
  fc.record({ kind: fc.constant("prompt"), attributes: fc.record({ turn: text("", "t1", "t2") }) }),
  fc.record({
    kind: fc.constant("activity"),
    attributes: fc.record({ event: text("PreToolUse"), subagent: fc.boolean() }),
  }),
  fc.record({
    kind: fc.constant("permission"),
    attributes: fc.record({ dialog: text("tool", "question", "plan") }),
  }),
  fc.record({
    kind: fc.constant("stop"),
    attributes: fc.record({ agents: fc.nat({ max: 1 }), shells: fc.nat({ max: 1 }) }),
  }),
  fc.record({
    kind: fc.constant("stop_failure"),
    attributes: fc.record({ error: text("server_error", "") }),
  }),
  fc.record({
    kind: fc.constant("session_start"),
    attributes: fc.record({ source: text("startup", "compact") }),
  }),
  fc.record({
    kind: text("permission_reminder", "idle_notice", "compacted", "noted", "session_end"),
  }),
  fc.constant(undefined),
);

const sessionTransition: fc.Arbitrary<Transition> = fc.record({
  kind: fc.constant("session_status"),
  attributes: fc.record({
    status: text("busy", "idle", "waiting", "gone"),
    waitingFor: text("", "permission prompt", "input needed", "dialog open"),
  }),
});

const screenTransition: fc.Arbitrary<Transition> = fc.record({
  kind: fc.constant("screen"),
  attributes: fc.record({
    rule: text("running", "permission", "done", "interrupted", "ready"),
    state: text("running", "waiting_approval", "completed", "idle", "error"),
    reason: text("turn", "permission_request", "turn_end", "interrupted", "ready"),
    digest: text("", "d1", "d2"),
    confirmed: fc.boolean(),
  }),
});

interface Draft {
  readonly source: Source;
  readonly channel: string;
  readonly sequenced: boolean;
  readonly transition: Transition | undefined;
}

function draft(
  source: Source,
  channel: string,
  transition: fc.Arbitrary<Transition | undefined>,
  sequenced = false,
): fc.Arbitrary<Draft> {
  return fc.record({
    source: fc.constant(source),
    channel: fc.constant(channel),
    sequenced: fc.constant(sequenced),
    transition,
  });
}

const { targetDown, targetUp, stale, demotion, suspended, resumed } = DAEMON_TRANSITIONS;

/** A guard names an event by its place in the history; the generator below fills in the id. */
const judgement: fc.Arbitrary<Transition> = fc.record({
  kind: text(stale, demotion),
  attributes: fc.record({ guard: fc.nat({ max: 40 }) }),
});

const anyDraft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 6, arbitrary: draft("hook", "", hookTransition) },
  { weight: 4, arbitrary: draft("native", "session_file", sessionTransition) },
  { weight: 4, arbitrary: draft("poller", "screen", screenTransition) },
  { weight: 3, arbitrary: draft("wrapper", "sequence", hookTransition, true) },
  { weight: 2, arbitrary: draft("native", "events", hookTransition, true) },
  {
    weight: 2,
    arbitrary: draft("reconciler", "", fc.record({ kind: text(targetDown, targetUp) })),
  },
  { weight: 2, arbitrary: draft("reconciler", "", judgement) },
  { weight: 1, arbitrary: draft("poller", "process", fc.record({ kind: text(suspended, resumed) })) },
);

const timing = fc.record({
  time: fc.nat({ max: SPAN / STEP }).map((step) => START + step * STEP),
  /** Within the skew budget, beyond it in both directions, and hours. */
  skew: fc.constantFrom(0, 0, 40_000, -3_000_000, 9_000_000, -15_000_000, 30_000_000, -7_200_000_000),
  resolution: fc.constantFrom(1, 1, 1_000, 1_000_000),
  spooled: fc.boolean(),
  /** A sequence may have gaps, and say a number twice. */
  seqStep: fc.constantFrom(1, 1, 1, 0, 3),
  spooledLater: fc.constantFrom(undefined, 0, 5_000_000),
});

/**
 * A history of one runtime: several sources and channels, two of them sequenced with clocks that jump, coarse clocks,
 * skew, spooled events, unknown signals, judgements whose guards name events of the history.
 */
export function history(hints: PreparedEvent["hints"], maxLength: number): fc.Arbitrary<RandomEvent[]> {
  return fc.array(fc.tuple(anyDraft, timing), { minLength: 1, maxLength, size: "max" }).map((entries) => {
    const sequences = new Map<string, number>();
    return entries.map(([{ source, channel, sequenced, transition }, when], index) => {
      const key = channelKey({ source, channel });
      const seq = (sequences.get(key) ?? 0) + when.seqStep;
      if (sequenced) sequences.set(key, seq);
      const own = source === "reconciler" || source === "poller";
      const spooled = when.spooled && !own;
      return {
        ingestedAt: spooled ? when.time + 3_600_000_000 : when.time,
        prepared: {
          eventId: eventId(index),
          eventType: transition?.kind ?? "Unheard",
          agentType: "claude",
          source,
          channel,
          dedupeKey: eventId(index),
          sourceEventId: "",
          sourceSeq: sequenced ? seq : undefined,
          eventTime: own ? when.time : when.time + when.skew,
          resolution: own ? 1 : when.resolution,
          spooled,
          spooledAt: spooled && when.spooledLater !== undefined ? when.time + when.spooledLater : undefined,
          hints,
          transition: named(transition),
        },
      };
    });
  });
}

function named(transition: Transition | undefined): Transition | undefined {
  const guard = transition?.attributes?.["guard"];
  if (transition === undefined || typeof guard !== "number") return transition;
  return { ...transition, attributes: { guard: eventId(guard) } };
}

/** The event as the fold sees it. */
export function bound({ prepared, ingestedAt }: RandomEvent): BoundEvent {
  const { eventId: id, source, channel, eventTime, sourceSeq, transition } = prepared;
  const effective = effectiveTime({ ...prepared, ingestedAt }, SKEW_BUDGET);
  return {
    eventId: id,
    source,
    channel,
    eventTime,
    ingestedAt,
    effectiveTime: effective,
    sourceSeq,
    transition,
  };
}

type Trace = { readonly order: string; readonly last: Readonly<Record<string, Candidate>> };

const TRACE_STATES: readonly AgentState[] = ["running", "waiting_approval", "completed", "idle", "error"];

/**
 * A reducer that forgets nothing: its memory is the list of all event ids in the order in which they came, and its
 * candidates carry that list. Any two folds that differ in order, in number or in time differ in their state.
 */
export const traceReducer: Reducer<Trace> = {
  initial: { order: "", last: {} },
  reduce: ({ order, last }, event) => {
    const place = `${order},${event.eventId.slice(0, 8)}@${event.effectiveTime}`;
    const { source, channel, eventId: id, effectiveTime: at } = event;
    const state = TRACE_STATES[place.length % TRACE_STATES.length] ?? "idle";
    const confidence = place.length % 3 === 0 ? "high" : "medium";
    const said: Candidate = { source, channel, state, reason: place, confidence, at, eventId: id };
    return { order: place, last: { ...last, [channelKey(event)]: said } };
  },
  candidates: ({ last }) => Object.values(last),
};
