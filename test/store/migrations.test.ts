import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../src/server/store/database.js";
import {
  MIGRATIONS,
  migrate,
  NewerSchemaError,
  SCHEMA_VERSION,
  schemaVersion,
} from "../../src/server/store/migrate.js";
import { fill, GOOD_ROWS, insert, schemaOf, useDatabaseFile } from "./database-file.js";

const file = useDatabaseFile();
const now = (): Date => new Date("2026-11-22T10:00:00.000Z");

describe("TC-001 migrations", () => {
  it("are numbered 1, 2, 3 … without gaps", () => {
    expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  });

  it.each([
    ["an empty database", () => undefined],
    ["a filled database", fill],
  ] as const)(
    "apply, roll back and apply again on %s, each step to the schema it came from",
    (_name, prepare) => {
      const db = file().connect();
      const empty = schemaOf(db);
      migrate(db);
      const newest = schemaOf(db);
      prepare(db);
      const steps: unknown[] = [];
      for (let version = SCHEMA_VERSION - 1; version >= 0; version--) {
        migrate(db, version);
        expect(schemaVersion(db)).toBe(version);
        steps.unshift(schemaOf(db));
      }
      expect(steps[0]).toEqual(empty);
      for (let version = 1; version < SCHEMA_VERSION; version++) {
        migrate(db, version);
        expect(schemaOf(db)).toEqual(steps[version]);
      }
      migrate(db);
      expect(schemaVersion(db)).toBe(SCHEMA_VERSION);
      expect(schemaOf(db)).toEqual(newest);
      expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
      expect(db.pragma("foreign_key_check")).toEqual([]);
    },
  );

  it("keep what a filled database holds when the newest version is applied again", () => {
    const db = file().connect();
    fill(db);
    migrate(db);
    for (const [table] of GOOD_ROWS) {
      expect([table, db.prepare(`SELECT count(*) AS n FROM ${table}`).get()]).toEqual([table, { n: 1 }]);
    }
  });

  it.each(MIGRATIONS.slice(1).map(({ version }) => version))(
    "keep every row of version %i through the version before, but for the columns that it has not",
    (version) => {
      const db = file().connect();
      migrate(db, version);
      for (const [table, row] of GOOD_ROWS) insert(db, table, row);
      const rows = (): unknown[] =>
        GOOD_ROWS.map(([table, row]) =>
          db.prepare(`SELECT ${Object.keys(row).join(", ")} FROM ${table}`).all(),
        );
      const before = rows();
      migrate(db, version - 1);
      expect(rows()).toEqual(before);
      migrate(db);
      expect(rows()).toEqual(before);
      expect(db.pragma("foreign_key_check")).toEqual([]);
    },
  );

  it("make every table of the contract", () => {
    const db = file().connect();
    migrate(db);
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    expect(tables).toEqual(
      [
        "action_snapshots",
        "actions",
        "adapters",
        "checkpoints",
        "event_inbox",
        "events",
        "panes",
        "runtime_source_cursors",
        "runtimes",
        "states",
        "targets",
      ].map((name) => ({ name })),
    );
  });

  it("leave one version or the next and nothing between, if a step fails half-way", () => {
    const db = file().connect();
    // The step's last statements meet a table that is in their way.
    db.exec("CREATE TABLE checkpoints (theirs TEXT)");
    const before = schemaOf(db);
    expect(() => migrate(db)).toThrow(/checkpoints/u);
    expect(schemaOf(db)).toEqual(before);
    expect(schemaVersion(db)).toBe(0);
    expect(db.inTransaction).toBe(false);
    db.exec("DROP TABLE checkpoints");
    migrate(db);
    expect(schemaVersion(db)).toBe(SCHEMA_VERSION);
  });

  it("leave the old version if the process is killed within a step", () => {
    const [first] = MIGRATIONS;
    if (first === undefined) throw new Error("there is one");
    const script = `
      const Database = require("better-sqlite3");
      const db = new Database(process.argv[1]);
      db.pragma("journal_mode = WAL");
      db.pragma("cache_spill = 1");
      db.exec("BEGIN EXCLUSIVE");
      db.exec(process.argv[2]);
      db.pragma("user_version = 1");
      process.kill(process.pid, "SIGKILL");`;
    const killed = spawnSync(process.execPath, ["-e", script, file().path, first.up], { timeout: 10_000 });
    expect(killed.signal).toBe("SIGKILL");
    const db = file().connect();
    expect(schemaVersion(db)).toBe(0);
    expect(schemaOf(db)).toEqual([]);
    migrate(db);
    expect(schemaVersion(db)).toBe(SCHEMA_VERSION);
  });

  it("refuse a database of a newer version with a clear message, and do not alter it", () => {
    const newer = file().connect();
    fill(newer);
    newer.exec("CREATE TABLE of_the_future (x TEXT)");
    newer.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
    newer.close();
    const bytes = readFileSync(file().path);
    const refused = (): unknown => openDatabase(file().path, now);
    expect(refused).toThrow(NewerSchemaError);
    expect(refused).toThrow(
      `the database has schema ${SCHEMA_VERSION + 1}, this version knows up to ${SCHEMA_VERSION}: use the newer agtmux, or set AGTMUX_STATE_DIR to another directory`,
    );
    expect(readFileSync(file().path).equals(bytes)).toBe(true);
  });
});
