import type { Database } from "better-sqlite3";
import type { BoundEvent, Transition } from "../engine/event.js";
import type { Micros, Source } from "../engine/state.js";

/** An event as its row holds it: normalised, never raw. */
export interface EventRecord extends BoundEvent {
  readonly runtimeId: string;
  readonly eventType: string;
  readonly agentType: string;
  readonly dedupeKey: string;
  readonly sourceEventId: string;
  readonly spooled: boolean;
  readonly late: boolean;
  readonly actionId?: string | undefined;
}

/** Whether no rule knows what it means. What tells of an action is known, and means nothing to the fold. */
export function isUnheard({
  source,
  transition,
}: Pick<EventRecord, "source"> & { transition?: unknown }): boolean {
  return transition === undefined && source !== "action";
}

/** An event's columns. */
export interface EventRow {
  event_id: string;
  runtime_id: string;
  event_type: string;
  agent_type: string;
  source: Source;
  channel: string;
  dedupe_key: string;
  source_event_id: string;
  source_seq: number | null;
  event_time: number;
  effective_time: number;
  ingested_at: number;
  spooled: number;
  late: number;
  transition: string | null;
  action_id: string | null;
}

export function eventRecord(row: EventRow): EventRecord {
  return {
    eventId: row.event_id,
    runtimeId: row.runtime_id,
    eventType: row.event_type,
    agentType: row.agent_type,
    source: row.source,
    channel: row.channel,
    dedupeKey: row.dedupe_key,
    sourceEventId: row.source_event_id,
    sourceSeq: row.source_seq ?? undefined,
    eventTime: row.event_time,
    effectiveTime: row.effective_time,
    ingestedAt: row.ingested_at,
    spooled: row.spooled === 1,
    late: row.late === 1,
    // Written by `insert` below from a Transition; the column has no other writer.
    transition: row.transition === null ? undefined : (JSON.parse(row.transition) as Transition),
    actionId: row.action_id ?? undefined,
  };
}

export interface EventQuery {
  readonly runtimeId?: string | undefined;
  readonly actionId?: string | undefined;
  readonly since?: Micros | undefined;
  readonly until?: Micros | undefined;
  /** Continue behind this event (by ingestion, then id), newest first. */
  readonly before?: { readonly ingestedAt: Micros; readonly eventId: string } | undefined;
  readonly limit: number;
}

const SOURCES: readonly Source[] = ["hook", "notify", "wrapper", "native", "poller", "reconciler", "action"];

/** Bound events, in acceptance and in fold order. */
export class EventStore {
  readonly #db;
  readonly #insert;
  readonly #sequenced;
  readonly #known;
  readonly #ofRuntime;
  readonly #cursor;
  readonly #newest;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare(
      `INSERT INTO events (event_id, runtime_id, event_type, agent_type, source, channel, dedupe_key, source_event_id,
         source_seq, event_time, effective_time, ingested_at, spooled, late, transition, action_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
         (SELECT action_id FROM actions WHERE action_id = ?)) ON CONFLICT DO NOTHING`,
    );
    this.#sequenced = db.prepare<[string], { one: number }>(
      "SELECT 1 AS one FROM runtime_source_cursors WHERE runtime_id = ? AND last_seq IS NOT NULL LIMIT 1",
    );
    this.#known = db.prepare<[string], { runtime_id: string }>(
      "SELECT runtime_id FROM events WHERE event_id = ?",
    );
    this.#ofRuntime = db.prepare<[string, number], EventRow>(
      "SELECT * FROM events WHERE runtime_id = ? AND effective_time >= ? AND late = 0 ORDER BY effective_time",
    );
    this.#cursor = db.prepare(
      `INSERT INTO runtime_source_cursors (runtime_id, source, channel, last_seq, last_time, last_event_id, applied, unknown)
       VALUES (?, ?, ?, ?, ?, ?, 1, ?)
       ON CONFLICT (runtime_id, source, channel) DO UPDATE SET
         last_seq = max(coalesce(last_seq, excluded.last_seq), excluded.last_seq),
         last_time = max(last_time, excluded.last_time), last_event_id = excluded.last_event_id,
         applied = applied + 1, unknown = unknown + excluded.unknown`,
    );
    this.#newest = db.prepare<[], { at: number }>(
      "SELECT ingested_at AS at FROM events ORDER BY ingested_at DESC LIMIT 1",
    );
  }

  /**
   * False if the event, or one with its key, is there already; then nothing is written. An action id that is not of
   * a stored action is left out: it comes from outside, and must not cost the event.
   */
  insert(event: EventRecord): boolean {
    const written = this.#insert.run(
      event.eventId,
      event.runtimeId,
      event.eventType,
      event.agentType,
      event.source,
      event.channel,
      event.dedupeKey,
      event.sourceEventId,
      event.sourceSeq ?? null,
      event.eventTime,
      event.effectiveTime,
      event.ingestedAt,
      event.spooled ? 1 : 0,
      event.late ? 1 : 0,
      event.transition === undefined ? null : JSON.stringify(event.transition),
      event.actionId ?? null,
    );
    if (written.changes === 0) return false;
    const unknown = isUnheard(event) ? 1 : 0;
    this.#cursor.run(
      event.runtimeId,
      event.source,
      event.channel,
      event.sourceSeq ?? null,
      event.effectiveTime,
      event.eventId,
      unknown,
    );
    return true;
  }

  isKnown(eventId: string): boolean {
    return this.#known.get(eventId) !== undefined;
  }

  /** Whether any of a runtime's channels is sequenced: its events may lie later in the order than their time says. */
  isSequenced(runtimeId: string): boolean {
    return this.#sequenced.get(runtimeId) !== undefined;
  }

  /** Events of a runtime that its fold reads, from an effective time on. */
  foldable(runtimeId: string, from: Micros = Number.MIN_SAFE_INTEGER): EventRecord[] {
    return this.#ofRuntime.all(runtimeId, from).map(eventRecord);
  }

  /** When the newest event was accepted; undefined if there is none. */
  newestIngestion(): Micros | undefined {
    return this.#newest.get()?.at;
  }

  /** Newest first. */
  list(query: EventQuery): EventRecord[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const add = (sql: string, ...bound: (string | number)[]): void => {
      conditions.push(sql);
      values.push(...bound);
    };
    if (query.actionId !== undefined) add("action_id = ?", query.actionId);
    if (query.since !== undefined) add("ingested_at >= ?", query.since);
    if (query.until !== undefined) add("ingested_at <= ?", query.until);
    if (query.before !== undefined) {
      add("ingested_at <= ? AND (ingested_at, event_id) < (?, ?)", query.before.ingestedAt);
      values.push(query.before.ingestedAt, query.before.eventId);
    }
    const order = "ORDER BY ingested_at DESC, event_id DESC LIMIT ?";
    const where = (more: readonly string[]): string => {
      const all = [...conditions, ...more];
      return all.length === 0 ? "" : `WHERE ${all.join(" AND ")}`;
    };
    if (query.runtimeId === undefined) {
      const sql = `SELECT * FROM events ${where([])} ${order}`;
      return this.#rows(sql, [...values, query.limit]);
    }
    // The index of a runtime's events begins with the source: the newest of each are merged, none are sorted.
    const { runtimeId, limit } = query;
    const one = `SELECT * FROM (SELECT * FROM events ${where(["runtime_id = ?", "source = ?"])} ${order})`;
    const sql = `${SOURCES.map(() => one).join(" UNION ALL ")} ${order}`;
    const bound = SOURCES.flatMap((source) => [...values, runtimeId, source, limit]);
    return this.#rows(sql, [...bound, limit]);
  }

  #rows(sql: string, values: readonly (string | number)[]): EventRecord[] {
    return this.#db
      .prepare<(string | number)[], EventRow>(sql)
      .all(...values)
      .map(eventRecord);
  }
}
