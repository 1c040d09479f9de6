import type { Database } from "better-sqlite3";
import type { Fold, Json } from "../engine/fold.js";
import type { Micros } from "../engine/state.js";

/** Folds saved now and then. They only save time and never decide a result. */
export class CheckpointStore {
  readonly #write;
  readonly #before;
  readonly #drop;

  constructor(db: Database) {
    this.#write = db.prepare(
      "INSERT OR REPLACE INTO checkpoints (runtime_id, order_time, order_key, reducer, fold) VALUES (?, ?, ?, ?, ?)",
    );
    this.#before = db.prepare<[string, string, number], { order_time: number; fold: string }>(
      `SELECT order_time, fold FROM checkpoints WHERE runtime_id = ? AND reducer = ? AND order_time < ?
       ORDER BY order_time DESC LIMIT 1`,
    );
    this.#drop = db.prepare("DELETE FROM checkpoints WHERE runtime_id = ? AND order_time >= ?");
  }

  /** `reducer` names the adapter's contract and data version: another version's checkpoints are not used. */
  write(runtimeId: string, reducer: string, fold: Fold<Json>): void {
    if (fold.last === undefined) return;
    this.#write.run(runtimeId, fold.last.time, fold.last.eventId, reducer, JSON.stringify(fold));
  }

  /** The nearest fold that ends strictly before an effective time, and where it ends. */
  before(runtimeId: string, reducer: string, time: Micros): { at: Micros; fold: Fold<Json> } | undefined {
    const row = this.#before.get(runtimeId, reducer, time);
    // Written by `write` above from a Fold; the column has no other writer.
    return row === undefined ? undefined : { at: row.order_time, fold: JSON.parse(row.fold) as Fold<Json> };
  }

  /** Forgets the folds that an event at `time` makes wrong. */
  dropFrom(runtimeId: string, time: Micros): void {
    this.#drop.run(runtimeId, time);
  }
}
