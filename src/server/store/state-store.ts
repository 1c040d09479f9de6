import type { Database } from "better-sqlite3";
import type { AgentState, Confidence, Micros, Source, Status } from "../engine/state.js";
import { Damaged, sqliteCode } from "./fault.js";

/** A status with what the store alone keeps of it. */
export interface StateRecord {
  readonly runtimeId: string;
  readonly status: Omit<Status, "dialog">;
  /** Goes up only when state, reason or prompt_id change. */
  readonly stateVersion: number;
  /** When stateVersion last changed. */
  readonly updatedAt: Micros;
  readonly promptId: string;
}

interface Row {
  runtime_id: string;
  state: AgentState;
  reason_code: string;
  confidence: Confidence;
  source: Source;
  channel: string;
  event_id: string;
  decided_at: number;
  since: number;
  updated_at: number;
  state_version: number;
  prompt_id: string;
}

function record(row: Row): StateRecord {
  return {
    runtimeId: row.runtime_id,
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
    stateVersion: row.state_version,
    updatedAt: row.updated_at,
    promptId: row.prompt_id,
  };
}

/** States, keyed by runtime. Only the journal writes them. */
export class StateStore {
  readonly #write;
  readonly #restate;
  readonly #one;

  constructor(db: Database) {
    this.#write = db.prepare(
      `INSERT INTO states (runtime_id, state, reason_code, confidence, source, channel, event_id, decided_at, since,
         updated_at, state_version, prompt_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (runtime_id) DO UPDATE SET state = excluded.state, reason_code = excluded.reason_code,
         confidence = excluded.confidence, source = excluded.source, channel = excluded.channel,
         event_id = excluded.event_id, decided_at = excluded.decided_at, since = excluded.since,
         updated_at = excluded.updated_at, state_version = excluded.state_version, prompt_id = excluded.prompt_id`,
    );
    // Sets no indexed column: most events change nothing that anybody lists by.
    this.#restate = db.prepare(
      `UPDATE states SET confidence = ?, source = ?, channel = ?, event_id = ?, decided_at = ?, since = ?
       WHERE runtime_id = ?`,
    );
    this.#one = db.prepare<[string], Row>("SELECT * FROM states WHERE runtime_id = ?");
  }

  write(state: StateRecord): void {
    const { status } = state;
    this.#write.run(
      state.runtimeId,
      status.state,
      status.reason,
      status.confidence,
      status.source,
      status.channel,
      status.eventId,
      status.at,
      status.since,
      state.updatedAt,
      state.stateVersion,
      state.promptId,
    );
  }

  /** The same for a runtime that the store itself has just named. Throws Damaged if it then knows of none. */
  restore(state: StateRecord): void {
    try {
      this.write(state);
    } catch (error) {
      if (!sqliteCode(error).startsWith("SQLITE_CONSTRAINT")) throw error;
      throw new Damaged("a runtime's rows contradict one another", { cause: error });
    }
  }

  /** The same for a state of which the store holds `before`. */
  replace(state: StateRecord, before: StateRecord): void {
    const { runtimeId, status } = state;
    if (state.stateVersion !== before.stateVersion) {
      this.write(state);
      return;
    }
    const { confidence, source, channel, eventId, at, since } = status;
    this.#restate.run(confidence, source, channel, eventId, at, since, runtimeId);
  }

  find(runtimeId: string): StateRecord | undefined {
    const row = this.#one.get(runtimeId);
    return row === undefined ? undefined : record(row);
  }
}
