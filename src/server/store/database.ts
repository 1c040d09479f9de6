import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { faultKind, sqliteCode } from "./fault.js";
import { migrate, refuseNewer, SCHEMA_VERSION, schemaVersion } from "./migrate.js";

export interface OpenedDatabase {
  readonly db: Database;
  /** Where a corrupt predecessor was put aside, if there was one. */
  readonly replaced?: string | undefined;
}

/** How long a start waits for another program's lock: nobody is served yet, and a backup takes a moment. */
export const START_PATIENCE_MS = 5_000;
/**
 * How long a write waits for a lock later on. SQLite waits with the whole daemon standing still, reads and watchers too;
 * so it waits for no more than a moment, and who wants to write comes again: hooks out of their spool, the daemon's own
 * signals out of memory.
 */
const PATIENCE_MS = 250;

/** The file is damaged, or no database: it is to be set aside. */
class Damaged extends Error {
  override readonly name = "Damaged";
}

/** A migration failed on a database that is whole: a defect of this version. The database is left as it was. */
export class MigrationFailed extends Error {
  override readonly name = "MigrationFailed";
  constructor(found: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `the database could not be brought from schema ${found} to ${SCHEMA_VERSION} (${reason}) and was left as it is: this is a defect of agtmux, use the version before`,
      { cause },
    );
  }
}

/** SQLite takes a damaged format number for a newer format and the file for read-only; it is neither. */
function checkFormat(path: string): void {
  if (!existsSync(path) || !statSync(path).isFile()) return;
  const header = Buffer.alloc(20);
  const file = openSync(path, "r");
  const length = readSync(file, header, 0, header.length, 0);
  closeSync(file);
  const known = [header[18], header[19]].every((format) => format === 1 || format === 2);
  if (length === header.length && !known) throw new Damaged("unknown file format");
}

function schemaOf(db: Database): Map<string, string> {
  const parts = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL";
  const rows = db.prepare<[], { name: string; sql: string }>(parts).all();
  return new Map(rows.map(({ name, sql }) => [name, sql]));
}

function schemaAt(version: number): Map<string, string> {
  const fresh = new SqliteDatabase(":memory:");
  try {
    migrate(fresh, version);
    return schemaOf(fresh);
  } catch (error) {
    // Nothing of the user's is in it: what fails here is a migration, not the file.
    throw new MigrationFailed(version, error);
  } finally {
    fresh.close();
  }
}

/**
 * A quick check does not read the schema's own text, nor the number of its version; what is wrong there would not be
 * found before a statement or a migration meets it, and then look like a defect of those.
 */
function checkSchema(db: Database): void {
  const version = Math.max(0, schemaVersion(db));
  const found = schemaOf(db);
  const expected = schemaAt(version);
  for (const [name, sql] of expected) {
    if (found.get(name) !== sql) throw new Damaged(`the schema of ${name} is damaged`);
  }
  for (const name of schemaAt(SCHEMA_VERSION).keys()) {
    if (found.has(name) && !expected.has(name)) throw new Damaged("the schema's version is damaged");
  }
}

/**
 * Looks at everything before anything is written: what is refused or set aside stays as it was found. Only here does
 * SQLITE_ERROR mean that the file is damaged (a schema that does not parse, say): nothing but what is there is read.
 */
function inspect(db: Database): void {
  try {
    const check = db.pragma("quick_check(1)", { simple: true });
    if (check !== "ok") throw new Damaged(`quick_check: ${String(check)}`);
    refuseNewer(db);
    checkSchema(db);
  } catch (error) {
    const damaged = faultKind(error) === "corrupt" || sqliteCode(error) === "SQLITE_ERROR";
    throw damaged ? new Damaged(String(error), { cause: error }) : error;
  }
}

/** Writes without changing anything. Throws what SQLite says when it takes no writes. */
export function touch(db: Database): void {
  const version = schemaVersion(db);
  db.transaction(() => db.pragma(`user_version = ${version}`)).immediate();
}

function prepare(db: Database): void {
  const found = schemaVersion(db);
  try {
    db.pragma("journal_mode = WAL");
    // better-sqlite3's WAL default is NORMAL, which may roll back answered commits on a power cut.
    db.pragma("synchronous = FULL");
    db.pragma("foreign_keys = ON");
    migrate(db);
    // A file that cannot be written, or a full disk, is told now and not with the first signal.
    touch(db);
    db.pragma(`busy_timeout = ${PATIENCE_MS}`);
  } catch (error) {
    const kind = faultKind(error);
    if (kind === "corrupt") throw new Damaged(String(error), { cause: error });
    throw kind === undefined ? new MigrationFailed(found, error) : error;
  }
}

function open(path: string): Database {
  checkFormat(path);
  const db = new SqliteDatabase(path, { timeout: START_PATIENCE_MS });
  try {
    inspect(db);
    prepare(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function mark(path: string): string {
  return `${path}.damaged`;
}

/** Notes that this file is damaged, for the next `openDatabase`: not all that a statement finds does a check find. */
export function condemn(path: string): void {
  try {
    writeFileSync(mark(path), `${statSync(path).ino}\n`, { mode: 0o600 });
  } catch {
    // Then the next start finds what its own check finds.
  }
}

/** Whether an earlier life condemned this very file; one in its place is another matter. */
function isCondemned(path: string): boolean {
  if (!existsSync(mark(path))) return false;
  return readFileSync(mark(path), "utf8").trim() === String(statSync(path, { throwIfNoEntry: false })?.ino);
}

function setAside(path: string, now: () => Date): string {
  const aside = `${path}.corrupt-${now().toISOString().replace(/[:.]/gu, "-")}`;
  let replaced = aside;
  for (let count = 2; existsSync(replaced); count++) replaced = `${aside}-${count}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(path + suffix)) renameSync(path + suffix, replaced + suffix);
  }
  rmSync(mark(path), { force: true });
  return replaced;
}

/**
 * Opens the store and brings it to the newest schema. A corrupt file is set aside, never deleted, and a new one
 * begun: states can be observed again. Nothing else is a reason to set it aside. Throws NewerSchemaError,
 * MigrationFailed, and SqliteError for anything else (a directory that cannot be written, a full disk, a lock that is
 * still held after 5 s).
 */
export function openDatabase(path: string, now: () => Date): OpenedDatabase {
  if (!isCondemned(path)) {
    try {
      return { db: open(path) };
    } catch (error) {
      if (!(error instanceof Damaged)) throw error;
    }
  }
  const replaced = setAside(path, now);
  return { db: open(path), replaced };
}
