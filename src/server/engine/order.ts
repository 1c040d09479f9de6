import type { BoundEvent } from "./event.js";
import type { Micros } from "./state.js";

/** Clocks coarser than this do not order events; the time of acceptance does (docs/spec.md 4.1). */
export const COARSE_CLOCK_MICROS = 10_000;

export interface TimeFacts {
  readonly eventTime: Micros;
  /** Resolution of the source's clock. */
  readonly resolution: Micros;
  readonly ingestedAt: Micros;
  readonly spooled: boolean;
  /** mtime of the spool file, for spooled events of coarse clocks. */
  readonly spooledAt?: Micros | undefined;
}

/**
 * The time by which an event counts. The source's own clock is believed if it is fine enough and, for live
 * events, within the skew budget of the time of acceptance; spooled events are hours old by nature, and never newer.
 */
export function effectiveTime(facts: TimeFacts, skewBudget: Micros): Micros {
  const coarse = facts.resolution > COARSE_CLOCK_MICROS;
  if (facts.spooled) {
    const time = coarse ? (facts.spooledAt ?? facts.eventTime) : facts.eventTime;
    // No spool is from the future; an event that says so would outlive everything that comes after it.
    return time <= facts.ingestedAt + skewBudget ? time : facts.ingestedAt;
  }
  if (coarse) return facts.ingestedAt;
  return Math.abs(facts.eventTime - facts.ingestedAt) <= skewBudget ? facts.eventTime : facts.ingestedAt;
}

/** An event's place among all events of its runtime. */
export interface OrderKey {
  readonly time: Micros;
  readonly source: string;
  readonly channel: string;
  readonly seq: number;
  readonly eventId: string;
}

/** Per sequenced channel: the highest sequence folded so far and the running maximum of effective times. */
export type SequenceMarks = Readonly<Record<string, { readonly seq: number; readonly time: Micros }>>;

export function channelKey(event: Pick<BoundEvent, "source" | "channel">): string {
  return event.channel === "" ? event.source : `${event.source}/${event.channel}`;
}

/**
 * The order key of an event, given what its sequenced channel has shown before it. On a sequenced channel the
 * effective time is the running maximum along source_seq, so that both orders agree.
 */
export function orderKey(event: BoundEvent, marks: SequenceMarks): OrderKey {
  const mark = event.sourceSeq === undefined ? undefined : marks[channelKey(event)];
  return {
    time: mark === undefined ? event.effectiveTime : Math.max(mark.time, event.effectiveTime),
    source: event.source,
    channel: event.channel,
    seq: event.sourceSeq ?? 0,
    eventId: event.eventId,
  };
}

export function compareOrder(a: OrderKey, b: OrderKey): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.source !== b.source) return a.source < b.source ? -1 : 1;
  if (a.channel !== b.channel) return a.channel < b.channel ? -1 : 1;
  if (a.seq !== b.seq) return a.seq - b.seq;
  if (a.eventId === b.eventId) return 0;
  return a.eventId < b.eventId ? -1 : 1;
}

export interface OrderedEvent {
  readonly event: BoundEvent;
  readonly key: OrderKey;
}

/** Puts events in the one order in which they are folded, whatever order they came in. */
export function inOrder(events: readonly BoundEvent[], marks: SequenceMarks = {}): OrderedEvent[] {
  const running = new Map(Object.entries(marks));
  const sequenced = events
    .filter((event) => event.sourceSeq !== undefined)
    .sort((a, b) => (a.sourceSeq ?? 0) - (b.sourceSeq ?? 0) || (a.eventId < b.eventId ? -1 : 1));
  const ordered: OrderedEvent[] = [];
  for (const event of sequenced) {
    const channel = channelKey(event);
    const key = orderKey(event, Object.fromEntries(running));
    running.set(channel, { seq: event.sourceSeq ?? 0, time: key.time });
    ordered.push({ event, key });
  }
  for (const event of events) {
    if (event.sourceSeq === undefined) ordered.push({ event, key: orderKey(event, {}) });
  }
  return ordered.sort((a, b) => compareOrder(a.key, b.key));
}

/** Sequence marks after `event`, which lies at `key`. */
export function advanceMarks(marks: SequenceMarks, event: BoundEvent, key: OrderKey): SequenceMarks {
  if (event.sourceSeq === undefined) return marks;
  return { ...marks, [channelKey(event)]: { seq: event.sourceSeq, time: key.time } };
}
