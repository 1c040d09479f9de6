import SqliteDatabase, { type Database } from "better-sqlite3";
import { failpoint } from "../failpoint.js";

/** Held for a daemon's life; the kernel releases it when the process ends, however it ends. */
export interface InstanceLock {
  release(): void;
}

/**
 * Takes the lock of a state directory: an exclusive transaction on a database of its own, since Node has no flock.
 * Undefined: another daemon holds it. Throws SqliteError for anything else.
 */
export function takeLock(path: string): InstanceLock | undefined {
  const db: Database = new SqliteDatabase(path, { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (error instanceof SqliteDatabase.SqliteError && error.code.startsWith("SQLITE_BUSY")) return undefined;
    throw error;
  }
  failpoint("lock.after-acquire");
  return {
    release: () => {
      db.close();
    },
  };
}
