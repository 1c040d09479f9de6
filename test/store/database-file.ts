import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { afterEach, beforeEach } from "vitest";
import { MIGRATIONS, migrate } from "../../src/server/store/migrate.js";

export interface DatabaseFile {
  readonly directory: string;
  readonly path: string;
  /** A plain connection with foreign keys on; closed after the test. */
  connect(): Database;
}

/** A folder of its own per test, with a database file in it once somebody opens one. */
export function useDatabaseFile(): () => DatabaseFile {
  let file: DatabaseFile | undefined;
  const open: Database[] = [];
  beforeEach(() => {
    const directory = mkdtempSync(join(tmpdir(), "agtmux-store-"));
    const path = join(directory, "agtmux.db");
    const connect = (): Database => {
      const db = new SqliteDatabase(path);
      db.pragma("foreign_keys = ON");
      open.push(db);
      return db;
    };
    file = { directory, path, connect };
  });
  afterEach(() => {
    for (const db of open.splice(0)) db.close();
    if (file !== undefined) rmSync(file.directory, { recursive: true, force: true });
    file = undefined;
  });
  return () => {
    if (file === undefined) throw new Error("inside a test only");
    return file;
  };
}

export type Row = Readonly<Record<string, string | number | bigint | null>>;

/** A good row of each table, in the order in which they may be written. */
export const GOOD_ROWS: readonly (readonly [table: string, row: Row])[] = [
  ["targets", { target_id: "host", kind: "local", created_at: 1 }],
  ["panes", { target_id: "host", pane_id: "%1", pane_pid: 10, epoch: 1, updated_at: 1 }],
  [
    "runtimes",
    {
      runtime_id: "r1",
      target_id: "host",
      boot_id: "77:1",
      pane_id: "%1",
      pane_epoch: 1,
      agent_type: "claude",
      agent_pid: 42,
      agent_start_raw: "900",
      started_at_ns: 1_795_342_744_024_509_200n,
      pane_pid: 10,
      created_at: 1,
    },
  ],
  [
    "actions",
    {
      action_id: "a1",
      action_type: "send",
      request_ref: "q1",
      request_hash: "h",
      ref: "pane:host/w/@1/%1",
      runtime_id: "r1",
      status: "done",
      created_at: 1,
    },
  ],
  [
    "action_snapshots",
    {
      action_id: "a1",
      target_id: "host",
      pane_id: "%1",
      pane_pid: 10,
      state_version: 1,
      observed_at: 1,
      expires_at: 2,
      nonce: "n",
    },
  ],
  [
    "events",
    {
      event_id: "e1",
      runtime_id: "r1",
      event_type: "Stop",
      agent_type: "claude",
      source: "hook",
      dedupe_key: "e1",
      event_time: 1,
      effective_time: 1,
      ingested_at: 1,
      transition: '{"kind":"stop"}',
      action_id: "a1",
    },
  ],
  [
    "event_inbox",
    {
      event_id: "i1",
      target_id: "host",
      pane_id: "%1",
      source: "hook",
      dedupe_key: "i1",
      status: "pending_bind",
      event: "{}",
      ingested_at: 1,
    },
  ],
  ["runtime_source_cursors", { runtime_id: "r1", source: "hook", last_time: 1, last_event_id: "e1" }],
  [
    "states",
    {
      runtime_id: "r1",
      state: "running",
      reason_code: "turn",
      confidence: "high",
      source: "hook",
      decided_at: 1,
      since: 1,
      updated_at: 1,
      state_version: 1,
    },
  ],
  ["adapters", { agent_type: "claude", contract_version: "1.0", capabilities: "{}", updated_at: 1 }],
  ["checkpoints", { runtime_id: "r1", order_time: 1, order_key: "e1", reducer: "claude/1", fold: "{}" }],
];

export function insert(db: Database, table: string, row: Row): void {
  const names = Object.keys(row);
  const places = names.map(() => "?").join(", ");
  db.prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${places})`).run(...Object.values(row));
}

/** The newest schema with one good row in every table. */
export function fill(db: Database): void {
  migrate(db, MIGRATIONS.length);
  for (const [table, row] of GOOD_ROWS) insert(db, table, row);
}

/** Everything that a migration makes: tables and indexes with their text. */
export function schemaOf(db: Database): unknown[] {
  return db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all();
}
