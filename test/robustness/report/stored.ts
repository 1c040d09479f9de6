import SqliteDatabase, { type Database } from "better-sqlite3";
import type { Transition } from "../../../src/server/engine/event.js";
import type { Source, Status } from "../../../src/server/engine/state.js";
import type { ModelEvent, ModelRuntime } from "../model/replay.js";

export interface StoredEvent extends ModelEvent {
  readonly dedupeKey: string;
  readonly spooled: boolean;
}

export interface StoredRuntime extends ModelRuntime {
  readonly target: string;
  readonly paneId: string;
  readonly active: boolean;
}

export interface StoredState {
  readonly status: Omit<Status, "dialog">;
  readonly version: number;
  readonly promptId: string;
}

/** What a database holds, read with statements of its own: the daemon's are what is judged. */
export interface Stored {
  /** In the order in which they were bound. */
  readonly events: readonly StoredEvent[];
  /** By event id. */
  readonly inbox: ReadonlyMap<string, { readonly status: string; readonly ingestedAt: number }>;
  readonly runtimes: readonly StoredRuntime[];
  /** By runtime id. */
  readonly states: ReadonlyMap<string, StoredState>;
  /** `ok`, or what is wrong; undefined if nobody looked. */
  readonly integrity?: string | undefined;
  readonly foreignKeyFaults?: number | undefined;
}

/** Reads the database of a daemon that is gone. `check` has SQLite look through all of it. */
export function readStored(path: string, check = false): Stored {
  const db = new SqliteDatabase(path, { readonly: true });
  try {
    const stored = { events: events(db), inbox: inbox(db), runtimes: runtimes(db), states: states(db) };
    if (!check) return stored;
    return {
      ...stored,
      integrity: String(db.pragma("integrity_check(1)", { simple: true })),
      foreignKeyFaults: db.prepare("PRAGMA foreign_key_check").all().length,
    };
  } finally {
    db.close();
  }
}

interface EventColumns {
  event_id: string;
  runtime_id: string;
  source: Source;
  channel: string;
  dedupe_key: string;
  source_seq: number | null;
  event_time: number;
  effective_time: number;
  ingested_at: number;
  spooled: number;
  late: number;
  transition: string | null;
}

function events(db: Database): StoredEvent[] {
  const rows = db.prepare<[], EventColumns>("SELECT * FROM events ORDER BY rowid").all();
  return rows.map((row) => ({
    eventId: row.event_id,
    runtimeId: row.runtime_id,
    source: row.source,
    channel: row.channel,
    dedupeKey: row.dedupe_key,
    sourceSeq: row.source_seq ?? undefined,
    eventTime: row.event_time,
    effectiveTime: row.effective_time,
    ingestedAt: row.ingested_at,
    spooled: row.spooled === 1,
    late: row.late === 1,
    // The store writes nothing else there; if it did, the replay would not agree.
    transition: row.transition === null ? undefined : (JSON.parse(row.transition) as Transition),
  }));
}

function inbox(db: Database): Map<string, { status: string; ingestedAt: number }> {
  const rows = db
    .prepare<[], { event_id: string; status: string; ingested_at: number }>(
      "SELECT event_id, status, ingested_at FROM event_inbox",
    )
    .all();
  return new Map(
    rows.map(({ event_id, status, ingested_at }) => [event_id, { status, ingestedAt: ingested_at }]),
  );
}

interface RuntimeColumns {
  runtime_id: string;
  agent_type: string;
  started: number;
  target_id: string;
  pane_id: string;
  ended_at: number | null;
}

function runtimes(db: Database): StoredRuntime[] {
  const rows = db
    .prepare<[], RuntimeColumns>(
      "SELECT runtime_id, agent_type, started_at_ns / 1000 AS started, target_id, pane_id, ended_at FROM runtimes",
    )
    .all();
  return rows.map((row) => ({
    runtimeId: row.runtime_id,
    agentType: row.agent_type,
    startedAt: row.started,
    target: row.target_id,
    paneId: row.pane_id,
    active: row.ended_at === null,
  }));
}

interface StateColumns {
  runtime_id: string;
  state: Status["state"];
  reason_code: string;
  confidence: Status["confidence"];
  source: Source;
  channel: string;
  event_id: string;
  decided_at: number;
  since: number;
  state_version: number;
  prompt_id: string;
}

function states(db: Database): Map<string, StoredState> {
  const rows = db.prepare<[], StateColumns>("SELECT * FROM states").all();
  return new Map(
    rows.map((row) => [
      row.runtime_id,
      {
        status: {
          state: row.state,
          reason: row.reason_code,
          confidence: row.confidence,
          source: row.source,
          channel: row.channel,
          eventId: row.event_id,
          at: row.decided_at,
          since: row.since,
        },
        version: row.state_version,
        promptId: row.prompt_id,
      },
    ]),
  );
}
