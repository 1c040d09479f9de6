import type { BoundEvent } from "./event.js";
import { type Fold, foldEvent, type Reducer } from "./fold.js";
import { channelKey, compareOrder, inOrder, type OrderKey } from "./order.js";

/**
 * Events that a timeline remembers. Hooks of one turn overtake each other by milliseconds; what comes later than
 * this many others is folded from the store.
 */
const TAIL = 64;

interface Entry<M> {
  readonly event: BoundEvent;
  readonly key: OrderKey;
  /** The fold of everything before the event. */
  readonly before: Fold<M>;
}

/** A fold and the newest events in it, so that an event which comes a little late finds its place without the store. */
export interface Timeline<M> {
  readonly fold: Fold<M>;
  /** In order. */
  readonly tail: readonly Entry<M>[];
}

/** What a batch of events made of a timeline. */
export interface Extended<M> {
  readonly timeline: Timeline<M>;
  /** Order time from which on folds made earlier no longer hold; undefined if the batch only came behind. */
  readonly disturbedFrom?: number | undefined;
}

/** Folds events, given in any order, on top of `start`. They must all lie behind it. */
export function timelineFrom<M>(
  start: Fold<M>,
  events: readonly BoundEvent[],
  reducer: Reducer<M>,
): Timeline<M> {
  return append({ fold: start, tail: [] }, events, reducer);
}

/**
 * Folds a batch of new events, given in any order, in their places. Undefined if one of them belongs before what the
 * timeline remembers, or reorders a sequenced channel: then the whole has to be folded from the store.
 */
export function extend<M>(
  timeline: Timeline<M>,
  events: readonly BoundEvent[],
  reducer: Reducer<M>,
): Extended<M> | undefined {
  const { fold, tail } = timeline;
  const { marks } = fold;
  const reorders = ({ sourceSeq }: BoundEvent, seq: number | undefined): boolean =>
    sourceSeq !== undefined && seq !== undefined && sourceSeq <= seq;
  if (events.some((event) => reorders(event, marks[channelKey(event)]?.seq))) return undefined;
  const [first] = inOrder(events, marks);
  if (first === undefined) return { timeline };
  if (fold.last === undefined || compareOrder(fold.last, first.key) < 0) {
    return { timeline: append(timeline, events, reducer) };
  }
  const at = tail.findIndex(({ key }) => compareOrder(first.key, key) < 0);
  const before = tail[at]?.before;
  if (before === undefined) return undefined;
  if (before.last !== undefined && compareOrder(before.last, first.key) > 0) return undefined;
  const again = [...tail.slice(at).map(({ event }) => event), ...events];
  const kept = { fold: before, tail: tail.slice(0, at) };
  return { timeline: append(kept, again, reducer), disturbedFrom: first.key.time };
}

function append<M>(timeline: Timeline<M>, events: readonly BoundEvent[], reducer: Reducer<M>): Timeline<M> {
  let { fold } = timeline;
  const tail = [...timeline.tail];
  for (const { event, key } of inOrder(events, fold.marks)) {
    tail.push({ event, key, before: fold });
    fold = foldEvent(fold, event, reducer);
  }
  return { fold, tail: tail.slice(-TAIL) };
}
