import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { migrate } from "../../../src/server/store/migrate.js";
import type { RowContext } from "./row.js";

const RUNTIMES = 60;

/** Fills the store with transactions of so many rows each for `durationMs`; returns rows per second. */
export type FillStore = (rowsPerTransaction: number, durationMs: number) => number;

/**
 * Rows like the daemon's, into its own events table with all its indexes, by bare better-sqlite3 on the same disk and
 * as durable (WAL, FULL).
 */
export function openBareStore({ resources }: RowContext): FillStore {
  const directory = mkdtempSync(join(tmpdir(), "agtmux-bare-"));
  resources.add(() => rmSync(directory, { recursive: true, force: true }));
  const db = new SqliteDatabase(join(directory, "bare.db"));
  resources.add(() => void db.close());
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = OFF");
  migrate(db);
  const insert = db.prepare(
    `INSERT INTO events (event_id, runtime_id, event_type, agent_type, source, dedupe_key, event_time,
       effective_time, ingested_at, transition)
     VALUES (?, ?, 'PreToolUse', 'claude', 'hook', ?, ?, ?, ?, ?)`,
  );
  const attributes = { event: "PreToolUse", subagent: false };
  const transition = JSON.stringify({ kind: "activity", attributes });
  const runtimes = Array.from({ length: RUNTIMES }, (_, index) => index.toString(16).padStart(64, "0"));
  let rows = 0;
  const fill = db.transaction((count: number) => {
    for (let at = 0; at < count; at++, rows++) {
      const id = randomUUID();
      const now = Date.now() * 1_000;
      insert.run(id, runtimes[rows % RUNTIMES], id, now, now, now, transition);
    }
  });
  return (rowsPerTransaction, durationMs) => {
    const before = rows;
    const began = performance.now();
    while (performance.now() - began < durationMs) fill.immediate(rowsPerTransaction);
    return (rows - before) / ((performance.now() - began) / 1_000);
  };
}
