import type { Database } from "better-sqlite3";
import type { Micros } from "../engine/state.js";
import { type EventRecord, type EventRow, eventRecord } from "./event-store.js";

/** Takes old rows away, a bounded batch at a time. */
export class RetentionStore {
  readonly #oldest;
  readonly #earlier;
  readonly #event;
  readonly #events;
  readonly #inbox;
  readonly #actions;

  constructor(db: Database) {
    this.#oldest = db.prepare<[string, number, number], EventRow>(
      `SELECT * FROM events WHERE runtime_id = ? AND effective_time < ? AND late = 0
       ORDER BY effective_time LIMIT ?`,
    );
    this.#earlier = db.prepare<[string, string, string, number, number], { one: number }>(
      `SELECT 1 AS one FROM events WHERE runtime_id = ? AND source = ? AND channel = ? AND source_seq < ?
         AND effective_time >= ? AND late = 0 LIMIT 1`,
    );
    this.#event = db.prepare("DELETE FROM events WHERE event_id = ?");
    this.#events = db.prepare(
      `DELETE FROM events WHERE rowid IN (
         SELECT old.rowid FROM events AS old JOIN runtimes USING (runtime_id)
         WHERE old.ingested_at < ? AND (runtimes.ended_at IS NOT NULL OR old.late = 1)
         ORDER BY old.ingested_at LIMIT ?)`,
    );
    this.#inbox = db.prepare(
      `DELETE FROM event_inbox WHERE event_id IN (
         SELECT event_id FROM event_inbox WHERE status IN ('bound', 'dropped_unbound') AND ingested_at < ? LIMIT ?)`,
    );
    this.#actions = db.prepare(
      `DELETE FROM actions WHERE action_id IN (
         SELECT action_id FROM actions WHERE created_at < ?
           AND NOT EXISTS (SELECT 1 FROM events WHERE events.action_id = actions.action_id)
         ORDER BY created_at LIMIT ?)`,
    );
  }

  /** A runtime's events before an effective time, oldest first. */
  oldest(runtimeId: string, before: Micros, limit: number): EventRecord[] {
    return this.#oldest.all(runtimeId, before, limit).map(eventRecord);
  }

  /** Whether an event's sequenced channel has a lower sequence at or after an effective time. */
  hasEarlierInSequence(event: EventRecord, from: Micros): boolean {
    const { runtimeId, source, channel, sourceSeq } = event;
    if (sourceSeq === undefined) return false;
    return this.#earlier.get(runtimeId, source, channel, sourceSeq, from) !== undefined;
  }

  removeEvents(events: readonly EventRecord[]): void {
    for (const { eventId } of events) this.#event.run(eventId);
  }

  /** Events that no fold reads any more: of runtimes that have ended, and late ones. Returns how many went. */
  removeUnfolded(before: Micros, limit: number): number {
    return this.#events.run(before, limit).changes;
  }

  /** Inbox rows that wait for nothing. Returns how many went. */
  removeSettled(before: Micros, limit: number): number {
    return this.#inbox.run(before, limit).changes;
  }

  /** Actions whose events are gone, with their snapshots. Returns how many went. */
  removeActions(before: Micros, limit: number): number {
    return this.#actions.run(before, limit).changes;
  }
}
