import type { Database } from "better-sqlite3";
import type { Micros } from "../engine/state.js";

export type ActionType = "attach" | "send" | "approve" | "deny" | "interrupt" | "view_output" | "kill";

/** `planned`: nothing was done yet. `started`: it may have been done. `done`: the result stands. */
export type ActionStatus = "planned" | "started" | "done";

export type ActionResultCode = "ok" | "refused" | "failed" | "result_unknown";

/** What a finished action leaves; a replay is answered from it. JSON data without payload texts. */
export interface ActionOutcome {
  readonly code: ActionResultCode;
  /** One line for a person. */
  readonly message: string;
  /** Of a refusal: the name of the contract's error code and its facts. */
  readonly error?: { readonly code: string; readonly details: Readonly<Record<string, string>> } | undefined;
  /** Whether what the action is for came about: submitted, closed, stopped, ended. */
  readonly effect?: "yes" | "no" | "unknown" | undefined;
}

/** An action as planned. */
export interface ActionPlan {
  readonly actionId: string;
  readonly actionType: ActionType;
  readonly requestRef: string;
  /** hex sha256 of everything that makes the request another one. */
  readonly requestHash: string;
  readonly ref: string;
  readonly targetId: string;
  readonly paneId: string;
  readonly sessionName: string;
  readonly windowId: string;
  /** '' for a pane without an agent. */
  readonly runtimeId: string;
  readonly caller: string;
  readonly createdAt: Micros;
}

/** What an action was planned on: what was looked at. */
export interface ActionSnapshot {
  /** '' for a pane without an agent. */
  readonly runtimeId: string;
  /** Of a pane with an agent these three may be left out: '' and 0. */
  readonly bootId: string;
  readonly paneId: string;
  readonly panePid: number;
  readonly stateVersion: number;
  readonly observedAt: Micros;
  readonly expiresAt: Micros;
  readonly nonce: string;
}

export interface ActionRecord extends ActionPlan {
  readonly status: ActionStatus;
  readonly outcome?: ActionOutcome | undefined;
  readonly completedAt?: Micros | undefined;
}

export interface ActionQuery {
  readonly runtimeId?: string | undefined;
  readonly pane?: { readonly targetId: string; readonly paneId: string } | undefined;
  /** Not before. */
  readonly since?: Micros | undefined;
  /** Behind this one, in the order of the list. */
  readonly after?: { readonly createdAt: Micros; readonly actionId: string } | undefined;
  readonly limit: number;
}

interface Row {
  action_id: string;
  action_type: ActionType;
  request_ref: string;
  request_hash: string;
  ref: string;
  target_id: string;
  pane_id: string;
  session_name: string;
  window_id: string;
  runtime_id: string | null;
  status: ActionStatus;
  result: string;
  caller: string;
  created_at: number;
  completed_at: number | null;
}

/** Actions: what was planned, on what, and what became of it. */
export class ActionStore {
  readonly #insert;
  readonly #snapshot;
  readonly #status;
  readonly #finish;
  readonly #one;
  readonly #request;
  readonly #open;
  readonly #byTime;
  readonly #byRuntime;
  readonly #byPane;

  constructor(db: Database) {
    this.#insert = db.prepare(
      `INSERT INTO actions (action_id, action_type, request_ref, request_hash, ref, target_id, pane_id, session_name,
         window_id, runtime_id, status, caller, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'planned', ?, ?)`,
    );
    this.#snapshot = db.prepare(
      `INSERT INTO action_snapshots (action_id, target_id, boot_id, pane_id, pane_pid, runtime_id, state_version,
         observed_at, expires_at, nonce)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#status = db.prepare("UPDATE actions SET status = ? WHERE action_id = ?");
    this.#finish = db.prepare(
      `UPDATE actions SET status = 'done', result_code = ?, error_code = ?, result = ?, completed_at = ?
       WHERE action_id = ?`,
    );
    this.#one = db.prepare<[string], Row>("SELECT * FROM actions WHERE action_id = ?");
    this.#request = db.prepare<[string, string], Row>(
      "SELECT * FROM actions WHERE action_type = ? AND request_ref = ?",
    );
    this.#open = db.prepare<[], Row>("SELECT * FROM actions WHERE status <> 'done'");
    const listed = (where: string) =>
      `SELECT * FROM actions WHERE ${where} created_at >= ? AND (created_at, action_id) < (?, ?)
       ORDER BY created_at DESC, action_id DESC LIMIT ?`;
    this.#byTime = db.prepare<[number, number, string, number], Row>(listed(""));
    this.#byRuntime = db.prepare<[string, number, number, string, number], Row>(listed("runtime_id = ? AND"));
    this.#byPane = db.prepare<[string, string, number, number, string, number], Row>(
      listed("target_id = ? AND pane_id = ? AND"),
    );
  }

  /** Throws SqliteError (SQLITE_CONSTRAINT_UNIQUE) if the type has the request_ref already: look for it first. */
  plan(plan: ActionPlan, snapshot: ActionSnapshot): void {
    this.#insert.run(
      plan.actionId,
      plan.actionType,
      plan.requestRef,
      plan.requestHash,
      plan.ref,
      plan.targetId,
      plan.paneId,
      plan.sessionName,
      plan.windowId,
      plan.runtimeId === "" ? null : plan.runtimeId,
      plan.caller,
      plan.createdAt,
    );
    this.#snapshot.run(
      plan.actionId,
      plan.targetId,
      snapshot.bootId,
      snapshot.paneId,
      snapshot.panePid,
      snapshot.runtimeId,
      snapshot.stateVersion,
      snapshot.observedAt,
      snapshot.expiresAt,
      snapshot.nonce,
    );
  }

  /** To be on disk before anything is done. */
  start(actionId: string): void {
    this.#status.run("started", actionId);
  }

  finish(actionId: string, outcome: ActionOutcome, at: Micros): void {
    this.#finish.run(outcome.code, outcome.error?.code ?? "", JSON.stringify(outcome), at, actionId);
  }

  find(actionId: string): ActionRecord | undefined {
    return record(this.#one.get(actionId));
  }

  ofRequest(actionType: ActionType, requestRef: string): ActionRecord | undefined {
    return record(this.#request.get(actionType, requestRef));
  }

  /** Those without a result: of this life in flight, of an earlier one cut off. */
  unfinished(): ActionRecord[] {
    return this.#open.all().flatMap((row) => record(row) ?? []);
  }

  /** Newest first. */
  list(query: ActionQuery): ActionRecord[] {
    const { runtimeId, pane, since = 0, after, limit } = query;
    const range = [since, after?.createdAt ?? Number.MAX_SAFE_INTEGER, after?.actionId ?? "", limit] as const;
    const rows =
      runtimeId !== undefined
        ? this.#byRuntime.all(runtimeId, ...range)
        : pane !== undefined
          ? this.#byPane.all(pane.targetId, pane.paneId, ...range)
          : this.#byTime.all(...range);
    return rows.flatMap((row) => record(row) ?? []);
  }
}

function record(row: Row | undefined): ActionRecord | undefined {
  if (row === undefined) return undefined;
  return {
    actionId: row.action_id,
    actionType: row.action_type,
    requestRef: row.request_ref,
    requestHash: row.request_hash,
    ref: row.ref,
    targetId: row.target_id,
    paneId: row.pane_id,
    sessionName: row.session_name,
    windowId: row.window_id,
    runtimeId: row.runtime_id ?? "",
    caller: row.caller,
    createdAt: row.created_at,
    status: row.status,
    // Sound: only `finish` writes it.
    outcome: row.result === "" ? undefined : (JSON.parse(row.result) as ActionOutcome),
    completedAt: row.completed_at ?? undefined,
  };
}
