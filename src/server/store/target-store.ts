import type { Database } from "better-sqlite3";
import type { Micros } from "../engine/state.js";

export interface TargetRecord {
  /** Its name; `[A-Za-z0-9._-]+`. */
  readonly targetId: string;
  readonly kind: "local" | "ssh";
  readonly sshTarget: string;
  /** tmux socket name or absolute path; '' for the default one. */
  readonly tmuxSocket: string;
  readonly createdAt: Micros;
}

interface Row {
  target_id: string;
  kind: "local" | "ssh";
  ssh_target: string;
  tmux_socket: string;
  created_at: number;
}

/** Stored targets. A removed one keeps its row, for the history that names it. */
export class TargetStore {
  readonly #insert;
  readonly #list;
  readonly #remove;

  constructor(db: Database) {
    this.#insert = db.prepare(
      `INSERT INTO targets (target_id, kind, ssh_target, tmux_socket, created_at, removed_at) VALUES (?, ?, ?, ?, ?, NULL)
       ON CONFLICT (target_id) DO UPDATE SET kind = excluded.kind, ssh_target = excluded.ssh_target,
         tmux_socket = excluded.tmux_socket, created_at = excluded.created_at, removed_at = NULL
       WHERE removed_at IS NOT NULL`,
    );
    this.#list = db.prepare<[], Row>("SELECT * FROM targets WHERE removed_at IS NULL ORDER BY target_id");
    this.#remove = db.prepare("UPDATE targets SET removed_at = ? WHERE target_id = ? AND removed_at IS NULL");
  }

  /** False if the name is taken. A removed target's name may be used again. */
  insert(target: TargetRecord): boolean {
    const { targetId, kind, sshTarget, tmuxSocket, createdAt } = target;
    return this.#insert.run(targetId, kind, sshTarget, tmuxSocket, createdAt).changes > 0;
  }

  /** By name. */
  list(): TargetRecord[] {
    return this.#list.all().map((row) => ({
      targetId: row.target_id,
      kind: row.kind,
      sshTarget: row.ssh_target,
      tmuxSocket: row.tmux_socket,
      createdAt: row.created_at,
    }));
  }

  /** False if there was none. */
  remove(targetId: string, now: Micros): boolean {
    return this.#remove.run(now, targetId).changes > 0;
  }
}
