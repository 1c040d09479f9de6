import { existsSync, renameSync } from "node:fs";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { migrate } from "./migrate.js";

export interface OpenedDatabase {
  readonly db: Database;
  /** Where a corrupt predecessor was put aside, if there was one. */
  readonly replaced?: string | undefined;
}

const CORRUPT = new Set(["SQLITE_CORRUPT", "SQLITE_NOTADB"]);

function sqliteCode(error: unknown): string {
  return error instanceof SqliteDatabase.SqliteError ? error.code : "";
}

function open(path: string): Database {
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    db.pragma("journal_mode = WAL");
    // better-sqlite3's WAL default is NORMAL, which may roll back answered commits on a power cut.
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    const check = db.pragma("quick_check(1)", { simple: true });
    if (check !== "ok")
      throw new SqliteDatabase.SqliteError(`quick_check: ${String(check)}`, "SQLITE_CORRUPT");
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Opens the store and brings it to the newest schema. A corrupt file is set aside, never deleted, and a new one
 * begun: states can be observed again. Throws NewerSchemaError, and SqliteError for anything else (a directory
 * that cannot be written, a disk that is full).
 */
export function openDatabase(path: string, now: () => Date): OpenedDatabase {
  try {
    return { db: open(path) };
  } catch (error) {
    if (!CORRUPT.has(sqliteCode(error)) && !sqliteCode(error).startsWith("SQLITE_CORRUPT")) throw error;
    const aside = `${path}.corrupt-${now().toISOString().replace(/[:.]/gu, "-")}`;
    let replaced = aside;
    for (let count = 2; existsSync(replaced); count++) replaced = `${aside}-${count}`;
    for (const suffix of ["", "-wal", "-shm"]) {
      if (existsSync(path + suffix)) renameSync(path + suffix, replaced + suffix);
    }
    return { db: open(path), replaced };
  }
}
