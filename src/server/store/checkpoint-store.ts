import type { Database } from "better-sqlite3";
import type { Fold, Json } from "../engine/fold.js";
import type { Micros } from "../engine/state.js";

interface Row {
  fold: string;
}

/**
 * Folds saved now and then. They only save time and never decide a result, but for a runtime's base: it stands for
 * events that retention has taken away.
 */
export class CheckpointStore {
  readonly #write;
  readonly #before;
  readonly #base;
  readonly #drop;
  readonly #dropUpTo;
  readonly #dropAll;

  constructor(db: Database) {
    this.#write = db.prepare(
      `INSERT OR REPLACE INTO checkpoints (runtime_id, order_time, order_key, reducer, fold, base)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#before = db.prepare<[string, string, number], Row>(
      `SELECT fold FROM checkpoints WHERE runtime_id = ? AND reducer = ? AND order_time < ?
       ORDER BY order_time DESC, order_key DESC LIMIT 1`,
    );
    this.#base = db.prepare<[string], Row & { reducer: string }>(
      "SELECT reducer, fold FROM checkpoints WHERE runtime_id = ? AND base = 1",
    );
    this.#drop = db.prepare("DELETE FROM checkpoints WHERE runtime_id = ? AND order_time >= ? AND base = 0");
    this.#dropUpTo = db.prepare("DELETE FROM checkpoints WHERE runtime_id = ? AND order_time <= ?");
    this.#dropAll = db.prepare("DELETE FROM checkpoints WHERE runtime_id = ?");
  }

  /** `reducer` names the adapter's contract and data version: another version's checkpoints are not used. */
  write(runtimeId: string, reducer: string, fold: Fold<Json>): void {
    this.#put(runtimeId, reducer, fold, 0);
  }

  /** Makes `fold` the runtime's base in place of an earlier one, and forgets what lies before it. */
  writeBase(runtimeId: string, reducer: string, fold: Fold<Json>): void {
    if (fold.last !== undefined) this.#dropUpTo.run(runtimeId, fold.last.time);
    this.#put(runtimeId, reducer, fold, 1);
  }

  /** The nearest fold that ends strictly before an effective time. */
  before(runtimeId: string, reducer: string, time: Micros): Fold<Json> | undefined {
    return parsed(this.#before.get(runtimeId, reducer, time));
  }

  /** The runtime's base, unless another version of the reducer made it. */
  base(runtimeId: string, reducer: string): Fold<Json> | undefined {
    const row = this.#base.get(runtimeId);
    return row?.reducer === reducer ? parsed(row) : undefined;
  }

  /** Forgets the folds that an event at `time` makes wrong. */
  dropFrom(runtimeId: string, time: Micros): void {
    this.#drop.run(runtimeId, time);
  }

  /** Forgets all folds of a runtime that has ended: nothing is folded into it any more. */
  dropAll(runtimeId: string): void {
    this.#dropAll.run(runtimeId);
  }

  #put(runtimeId: string, reducer: string, fold: Fold<Json>, base: 0 | 1): void {
    if (fold.last === undefined) return;
    this.#write.run(runtimeId, fold.last.time, fold.last.eventId, reducer, JSON.stringify(fold), base);
  }
}

function parsed(row: Row | undefined): Fold<Json> | undefined {
  // Written by `#put` above from a Fold; the column has no other writer.
  return row === undefined ? undefined : (JSON.parse(row.fold) as Fold<Json>);
}
