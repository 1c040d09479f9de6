import { closeSync, existsSync, openSync, readSync, renameSync, statSync } from "node:fs";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { migrate, refuseNewer } from "./migrate.js";

export interface OpenedDatabase {
  readonly db: Database;
  /** Where a corrupt predecessor was put aside, if there was one. */
  readonly replaced?: string | undefined;
}

/** SQLITE_ERROR while opening: the schema does not parse, or is not what its version says. */
const CORRUPT = new Set(["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"]);

function sqliteCode(error: unknown): string {
  return error instanceof SqliteDatabase.SqliteError ? error.code : "";
}

/** SQLite takes a damaged format number for a newer format and the file for read-only; it is neither. */
function checkFormat(path: string): void {
  if (!existsSync(path) || !statSync(path).isFile()) return;
  const header = Buffer.alloc(20);
  const file = openSync(path, "r");
  const length = readSync(file, header, 0, header.length, 0);
  closeSync(file);
  const known = [header[18], header[19]].every((format) => format === 1 || format === 2);
  if (length === header.length && !known) {
    throw new SqliteDatabase.SqliteError("unknown file format", "SQLITE_NOTADB");
  }
}

/** A quick check does not read the schema's own text; a damaged one is not found before a statement meets it. */
function checkSchema(db: Database): void {
  const parts = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
  const fresh = new SqliteDatabase(":memory:");
  migrate(fresh);
  const expected = fresh.prepare<[], { name: string; sql: string }>(parts).all();
  fresh.close();
  const found = new Map(
    db
      .prepare<[], { name: string; sql: string }>(parts)
      .all()
      .map(({ name, sql }) => [name, sql]),
  );
  for (const { name, sql } of expected) {
    if (found.get(name) === sql) continue;
    throw new SqliteDatabase.SqliteError(`the schema of ${name} is damaged`, "SQLITE_CORRUPT");
  }
}

function open(path: string): Database {
  checkFormat(path);
  const db = new SqliteDatabase(path, { timeout: 5_000 });
  try {
    // Looked at before anything is written: what is refused or set aside stays as it was found.
    const check = db.pragma("quick_check(1)", { simple: true });
    if (check !== "ok")
      throw new SqliteDatabase.SqliteError(`quick_check: ${String(check)}`, "SQLITE_CORRUPT");
    refuseNewer(db);
    db.pragma("journal_mode = WAL");
    // better-sqlite3's WAL default is NORMAL, which may roll back answered commits on a power cut.
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    migrate(db);
    checkSchema(db);
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
