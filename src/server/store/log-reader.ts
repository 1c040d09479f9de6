import SqliteDatabase from "better-sqlite3";
import type { Fold, Json } from "../engine/fold.js";
import type { Micros } from "../engine/state.js";
import { type EventRecord, type EventRow, eventRecord } from "./event-store.js";
import { refuseNewer, SCHEMA_VERSION } from "./migrate.js";
import { type StateRecord, StateStore } from "./state-store.js";

/** What is stored of one runtime: everything that its fold rests on, and the state that stands beside it. */
export interface StoredRuntime {
  readonly runtimeId: string;
  readonly agentType: string;
  readonly startedAt: Micros;
  /** The fold of events that retention took away, and the reducer that made it. */
  readonly base?: { readonly reducer: string; readonly fold: Fold<Json> } | undefined;
  readonly state?: StateRecord | undefined;
}

/** The database is of an older version than this program. */
export class OlderSchemaError extends Error {
  override readonly name = "OlderSchemaError";
}

/**
 * Reads a database beside a running daemon, without changing it. Throws SqliteError, NewerSchemaError and
 * OlderSchemaError.
 */
export class LogReader {
  readonly #db;

  constructor(path: string) {
    this.#db = new SqliteDatabase(path, { readonly: true, fileMustExist: true });
    if (refuseNewer(this.#db) === SCHEMA_VERSION) return;
    this.#db.close();
    throw new OlderSchemaError(
      `${path} has an older schema: start this version's agtmuxd once, it migrates it`,
    );
  }

  /** All of it as of one moment, or one runtime's. */
  *runtimes(runtimeId = ""): Generator<StoredRuntime> {
    const states = new StateStore(this.#db);
    const bases = this.#db.prepare<[string], { reducer: string; fold: string }>(
      "SELECT reducer, fold FROM checkpoints WHERE runtime_id = ? AND base = 1",
    );
    const rows = this.#db
      .prepare<[string], { runtime_id: string; agent_type: string; started_at: number }>(
        `SELECT runtime_id, agent_type, started_at_ns / 1000 AS started_at FROM runtimes
         WHERE ? IN ('', runtime_id) ORDER BY created_at, runtime_id`,
      )
      .all(runtimeId);
    for (const row of rows) {
      const base = bases.get(row.runtime_id);
      yield {
        runtimeId: row.runtime_id,
        agentType: row.agent_type,
        startedAt: row.started_at,
        // Written by CheckpointStore from a Fold; the column has no other writer.
        base: base && { reducer: base.reducer, fold: JSON.parse(base.fold) as Fold<Json> },
        state: states.find(row.runtime_id),
      };
    }
  }

  /** A runtime's events that its fold reads, in no promised order. */
  *events(runtimeId: string): Generator<EventRecord> {
    const rows = this.#db.prepare<[string], EventRow>(
      "SELECT * FROM events WHERE runtime_id = ? AND late = 0 ORDER BY effective_time",
    );
    for (const row of rows.iterate(runtimeId)) yield eventRecord(row);
  }

  /** Runs `read` on one unchanging picture of the database. */
  picture<T>(read: () => T): T {
    return this.#db.transaction(read)();
  }

  close(): void {
    this.#db.close();
  }
}
