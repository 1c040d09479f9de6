import type { Database } from "better-sqlite3";
import type { Micros } from "../engine/state.js";

/** A stored runtime. Rows are never deleted while their events are kept. */
export interface RuntimeRecord {
  readonly runtimeId: string;
  readonly targetId: string;
  readonly bootId: string;
  readonly paneId: string;
  readonly paneEpoch: number;
  readonly agentType: string;
  readonly hostBootId: string;
  readonly agentPid: number;
  readonly agentStartRaw: string;
  readonly startedAtNs: bigint;
  readonly agentSessionId: string;
  readonly panePid: number;
  readonly session: string;
  readonly windowId: string;
  readonly cwd: string;
  readonly createdAt: Micros;
  readonly endedAt?: Micros | undefined;
  readonly endReason?: string | undefined;
  readonly exitStatus?: number | undefined;
}

export interface Ending {
  readonly at: Micros;
  readonly reason: string;
  readonly exitStatus?: number | undefined;
}

interface Row {
  runtime_id: string;
  target_id: string;
  boot_id: string;
  pane_id: string;
  pane_epoch: number;
  agent_type: string;
  host_boot_id: string;
  agent_pid: number;
  agent_start_raw: string;
  started_at_ns: string;
  agent_session_id: string;
  pane_pid: number;
  last_session: string;
  last_window_id: string;
  last_cwd: string;
  created_at: number;
  ended_at: number | null;
  end_reason: string | null;
  exit_status: number | null;
}

function record(row: Row): RuntimeRecord {
  return {
    runtimeId: row.runtime_id,
    targetId: row.target_id,
    bootId: row.boot_id,
    paneId: row.pane_id,
    paneEpoch: row.pane_epoch,
    agentType: row.agent_type,
    hostBootId: row.host_boot_id,
    agentPid: row.agent_pid,
    agentStartRaw: row.agent_start_raw,
    startedAtNs: BigInt(row.started_at_ns),
    agentSessionId: row.agent_session_id,
    panePid: row.pane_pid,
    session: row.last_session,
    windowId: row.last_window_id,
    cwd: row.last_cwd,
    createdAt: row.created_at,
    endedAt: row.ended_at ?? undefined,
    endReason: row.end_reason ?? undefined,
    exitStatus: row.exit_status ?? undefined,
  };
}

// Nanoseconds do not fit a double: the column travels as text in both directions.
const COLUMNS = `runtime_id, target_id, boot_id, pane_id, pane_epoch, agent_type, host_boot_id, agent_pid,
  agent_start_raw, CAST(started_at_ns AS TEXT) AS started_at_ns, agent_session_id, pane_pid, last_session,
  last_window_id, last_cwd, created_at, ended_at, end_reason, exit_status`;

/** Panes' epochs and runtimes. */
export class RuntimeStore {
  readonly #insert;
  readonly #end;
  readonly #active;
  readonly #ended;
  readonly #one;
  readonly #session;
  readonly #ofSession;
  readonly #place;
  readonly #epoch;

  constructor(db: Database) {
    this.#insert = db.prepare(
      `INSERT INTO runtimes (runtime_id, target_id, boot_id, pane_id, pane_epoch, agent_type, host_boot_id, agent_pid,
         agent_start_raw, started_at_ns, agent_session_id, pane_pid, last_session, last_window_id, last_cwd, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS INTEGER), ?, ?, ?, ?, ?, ?)`,
    );
    this.#end = db.prepare(
      "UPDATE runtimes SET ended_at = ?, end_reason = ?, exit_status = ? WHERE runtime_id = ? AND ended_at IS NULL",
    );
    this.#active = db.prepare<[], Row>(`SELECT ${COLUMNS} FROM runtimes WHERE ended_at IS NULL`);
    this.#ended = db.prepare<[number], Row>(
      `SELECT ${COLUMNS} FROM runtimes WHERE ended_at >= ? ORDER BY ended_at DESC LIMIT 1000`,
    );
    this.#one = db.prepare<[string], Row>(`SELECT ${COLUMNS} FROM runtimes WHERE runtime_id = ?`);
    this.#session = db.prepare("UPDATE runtimes SET agent_session_id = ? WHERE runtime_id = ?");
    this.#ofSession = db.prepare<[string, string], { runtime_id: string }>(
      `SELECT runtime_id FROM runtimes WHERE agent_session_id = ? AND agent_session_id <> ''
         AND target_id IN (SELECT value FROM json_each(?))
       ORDER BY created_at DESC LIMIT 20`,
    );
    this.#place = db.prepare(
      "UPDATE runtimes SET last_session = ?, last_window_id = ?, last_cwd = ? WHERE runtime_id = ?",
    );
    this.#epoch = db.prepare<[string, string, string, number, number], { epoch: number }>(
      `INSERT INTO panes (target_id, pane_id, boot_id, pane_pid, epoch, updated_at) VALUES (?, ?, ?, ?, 1, ?)
       ON CONFLICT (target_id, pane_id) DO UPDATE
         SET boot_id = excluded.boot_id, pane_pid = excluded.pane_pid, epoch = epoch + 1, updated_at = excluded.updated_at
       RETURNING epoch`,
    );
  }

  /** Raises the pane's epoch, which is never reset, and returns it. */
  nextEpoch(
    pane: { targetId: string; paneId: string; bootId: string; panePid: number },
    now: Micros,
  ): number {
    const row = this.#epoch.get(pane.targetId, pane.paneId, pane.bootId, pane.panePid, now);
    if (row === undefined) throw new Error("an upsert with RETURNING gave no row");
    return row.epoch;
  }

  /** Throws SqliteError (SQLITE_CONSTRAINT_UNIQUE) if the pane has an active runtime. */
  insert(runtime: RuntimeRecord): void {
    this.#insert.run(
      runtime.runtimeId,
      runtime.targetId,
      runtime.bootId,
      runtime.paneId,
      runtime.paneEpoch,
      runtime.agentType,
      runtime.hostBootId,
      runtime.agentPid,
      runtime.agentStartRaw,
      String(runtime.startedAtNs),
      runtime.agentSessionId,
      runtime.panePid,
      runtime.session,
      runtime.windowId,
      runtime.cwd,
      runtime.createdAt,
    );
  }

  end(runtimeId: string, ending: Ending): void {
    this.#end.run(ending.at, ending.reason, ending.exitStatus ?? null, runtimeId);
  }

  active(): RuntimeRecord[] {
    return this.#active.all().map(record);
  }

  /** Runtimes that ended at or after `since`, newest first, at most 1 000. */
  endedSince(since: Micros): RuntimeRecord[] {
    return this.#ended.all(since).map(record);
  }

  find(runtimeId: string): RuntimeRecord | undefined {
    const row = this.#one.get(runtimeId);
    return row === undefined ? undefined : record(row);
  }

  /** The newest runtimes of these targets, at most 20, that an agent's session id is or was known by. */
  ofSession(agentSessionId: string, targetIds: readonly string[]): string[] {
    return this.#ofSession.all(agentSessionId, JSON.stringify(targetIds)).map((row) => row.runtime_id);
  }

  setAgentSession(runtimeId: string, agentSessionId: string): void {
    this.#session.run(agentSessionId, runtimeId);
  }

  /** Where the runtime was last seen, for lists of ended ones. */
  setPlace(runtimeId: string, place: { session: string; windowId: string; cwd: string }): void {
    this.#place.run(place.session, place.windowId, place.cwd, runtimeId);
  }
}
