import type { Database } from "better-sqlite3";
import type { Micros } from "../engine/state.js";

export interface InboxRecord {
  readonly eventId: string;
  /** '' while the target is not known. */
  readonly targetId: string;
  readonly paneId: string;
  readonly source: string;
  readonly channel: string;
  readonly dedupeKey: string;
  /** The prepared event as JSON; its writer and reader is the journal. */
  readonly event: string;
  readonly ingestedAt: Micros;
}

interface Row {
  event_id: string;
  target_id: string;
  pane_id: string;
  source: string;
  channel: string;
  dedupe_key: string;
  event: string;
  ingested_at: number;
}

/** Events that wait for their runtime, and those that were dropped, with the reason. */
export class InboxStore {
  readonly #insert;
  readonly #pending;
  readonly #waiting;
  readonly #settle;
  readonly #known;

  constructor(db: Database) {
    this.#insert = db.prepare(
      `INSERT INTO event_inbox (event_id, target_id, pane_id, source, channel, dedupe_key, status, reason, event, ingested_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#pending = db.prepare<[], Row>(
      "SELECT * FROM event_inbox WHERE status = 'pending_bind' ORDER BY ingested_at, event_id",
    );
    this.#waiting = db.prepare<[], { one: number }>(
      "SELECT 1 AS one FROM event_inbox WHERE status = 'pending_bind' LIMIT 1",
    );
    this.#settle = db.prepare("UPDATE event_inbox SET status = ?, reason = ?, event = '' WHERE event_id = ?");
    this.#known = db.prepare<[string], { status: string }>(
      "SELECT status FROM event_inbox WHERE event_id = ?",
    );
  }

  /** False if the event, or one with its key, is there already. `reason` is for dropped ones. */
  insert(entry: InboxRecord, status: "pending_bind" | "dropped_unbound", reason = ""): boolean {
    const event = status === "pending_bind" ? entry.event : "";
    const written = this.#insert.run(
      entry.eventId,
      entry.targetId,
      entry.paneId,
      entry.source,
      entry.channel,
      entry.dedupeKey,
      status,
      reason,
      event,
      entry.ingestedAt,
    );
    return written.changes > 0;
  }

  /** In the order of their acceptance. */
  pending(): InboxRecord[] {
    return this.#pending.all().map((row) => ({
      eventId: row.event_id,
      targetId: row.target_id,
      paneId: row.pane_id,
      source: row.source,
      channel: row.channel,
      dedupeKey: row.dedupe_key,
      event: row.event,
      ingestedAt: row.ingested_at,
    }));
  }

  hasPending(): boolean {
    return this.#waiting.get() !== undefined;
  }

  settle(eventId: string, status: "bound" | "dropped_unbound", reason = ""): void {
    this.#settle.run(status, reason, eventId);
  }

  isKnown(eventId: string): boolean {
    return this.#known.get(eventId) !== undefined;
  }
}
