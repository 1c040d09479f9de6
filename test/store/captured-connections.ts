import { readFileSync, writeFileSync } from "node:fs";
import SqliteDatabase, { type Database } from "better-sqlite3";
import { afterAll, afterEach, beforeAll } from "vitest";

/**
 * The connections that the store opens during a test, newest last: what a full or damaged disk does to it is done to its
 * own connection, by SQLite itself. The product has no such door.
 */
export function useConnections(): () => Database {
  const opened: Database[] = [];
  const { pragma } = SqliteDatabase.prototype;
  beforeAll(() => {
    SqliteDatabase.prototype.pragma = function (this: Database, ...given): unknown {
      if (!this.memory && !opened.includes(this)) opened.push(this);
      return pragma.apply(this, given);
    };
  });
  afterEach(() => {
    opened.splice(0);
  });
  afterAll(() => {
    SqliteDatabase.prototype.pragma = pragma;
  });
  return () => {
    const db = opened.at(-1);
    if (db === undefined) throw new Error("nothing has opened the store yet");
    return db;
  };
}

/** Lets the database grow no further, as a full disk would; `free` ends it. */
export function fill(db: Database): { free: () => void } {
  const pages = Number(db.pragma("page_count", { simple: true }));
  db.pragma(`max_page_count = ${pages}`);
  return { free: () => void db.pragma("max_page_count = 1000000") };
}

/** Overwrites all but the first page of the file, and has the connection read it anew. */
export function damage(db: Database): void {
  db.pragma("wal_checkpoint(TRUNCATE)");
  const bytes = readFileSync(db.name);
  writeFileSync(db.name, bytes.fill(0x5a, 4_096));
  db.pragma("shrink_memory");
}
