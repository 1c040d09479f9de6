import type { AnyAdapter } from "../adapters/contract.js";
import { emptyFold, type Fold, type Json, refold } from "../engine/fold.js";
import { inOrder } from "../engine/order.js";
import type { Micros } from "../engine/state.js";
import type { EventRecord } from "../store/event-store.js";
import type { Store } from "../store/store.js";
import { type LiveRuntime, reducerName, startMicros } from "./live-runtime.js";

/** What one batch of a living runtime's retention did. */
export interface Rebased {
  readonly removed: number;
  /** The fold of everything that is gone; nothing is folded in before it. */
  readonly base: Fold<Json>;
}

/**
 * Takes away a living runtime's oldest events, at most about `limit`, and leaves their fold as its base, so that its
 * state stays what they made of it. Only events that come first in the order and were both made and accepted before
 * `cutoff` go. Undefined if there are none. To be called inside a transaction.
 */
export function rebase(
  store: Store,
  runtime: LiveRuntime,
  adapter: AnyAdapter,
  cutoff: Micros,
  limit: number,
): Rebased | undefined {
  const { runtimeId } = runtime.record;
  const name = reducerName(adapter);
  const start =
    store.checkpoints.base(runtimeId, name) ?? emptyFold(adapter.reducer, startMicros(runtime.record));
  const due = firstInOrder(store, runtimeId, start, cutoff, limit);
  if (due.length === 0) return undefined;
  const base = refold(start, due, adapter.reducer);
  store.retention.removeEvents(due);
  store.checkpoints.writeBase(runtimeId, name, base);
  return { removed: due.length, base };
}

function firstInOrder(
  store: Store,
  runtimeId: string,
  start: Fold<Json>,
  cutoff: Micros,
  limit: number,
): EventRecord[] {
  const rows = store.retention.oldest(runtimeId, cutoff, limit);
  // What was not read may share the last one's time, or lie before it on its sequenced channel.
  const more = rows.length === limit;
  const edge = more ? (rows.at(-1)?.effectiveTime ?? cutoff) : cutoff;
  const records = new Map(rows.map((row) => [row.eventId, row]));
  const due: EventRecord[] = [];
  for (const { event, key } of inOrder(rows, start.marks)) {
    const row = records.get(event.eventId);
    if (row === undefined || key.time >= edge || row.ingestedAt >= cutoff) break;
    if (store.retention.hasEarlierInSequence(row, edge)) break;
    due.push(row);
  }
  const [oldest] = rows;
  const allAtOnce = more && oldest?.effectiveTime === edge;
  return allAtOnce ? firstInOrder(store, runtimeId, start, cutoff, limit * 4) : due;
}
