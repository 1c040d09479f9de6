import type { Database } from "better-sqlite3";
import { beforeEach, describe, expect, it } from "vitest";
import { fill, GOOD_ROWS, insert, type Row, useDatabaseFile } from "./database-file.js";

const file = useDatabaseFile();
let db: Database;
beforeEach(() => {
  db = file().connect();
  fill(db);
});

function good(table: string): Row {
  const found = GOOD_ROWS.find(([name]) => name === table)?.[1];
  if (found === undefined) throw new Error(`no row for ${table}`);
  return found;
}

/** What makes the good row of a table another row, so that only the change under test can be wrong. */
const ANOTHER: Readonly<Record<string, Row>> = {
  targets: { target_id: "vm" },
  panes: { pane_id: "%2" },
  runtimes: { runtime_id: "r2", pane_id: "%2" },
  actions: { action_id: "a2", request_ref: "q2" },
  action_snapshots: { action_id: "a2" },
  events: { event_id: "e2", dedupe_key: "e2" },
  event_inbox: { event_id: "i2", dedupe_key: "i2" },
  runtime_source_cursors: { channel: "other" },
  states: { runtime_id: "r2" },
  adapters: { agent_type: "codex" },
  checkpoints: { order_key: "e2" },
};

/** Tables whose second row refers to the second row of another. */
const NEEDED: Readonly<Record<string, string>> = { action_snapshots: "actions", states: "runtimes" };

function insertAnother(table: string, change: Row): void {
  const needed = NEEDED[table];
  if (needed !== undefined && db.prepare(`SELECT count(*) AS n FROM ${needed}`).pluck().get() === 1) {
    insert(db, needed, { ...good(needed), ...ANOTHER[needed] });
  }
  insert(db, table, { ...good(table), ...ANOTHER[table], ...change });
}

describe("TC-002 the database itself", () => {
  it.each(GOOD_ROWS.map(([table]) => table))("takes a second good row of %s", (table) => {
    expect(() => insertAnother(table, {})).not.toThrow();
  });

  it.each<[string, string, Row]>([
    ["targets", "a second target of one name", { target_id: "host" }],
    ["panes", "a second row of one pane", { pane_id: "%1" }],
    ["runtimes", "a second runtime of one id", { runtime_id: "r1" }],
    ["actions", "a second action of one id", { action_id: "a1" }],
    ["actions", "a second action of one type and request_ref", { request_ref: "q1" }],
    ["action_snapshots", "a second snapshot of one action", { action_id: "a1" }],
    ["events", "a second event of one id", { event_id: "e1" }],
    ["events", "a second event of one runtime, source, channel and key", { dedupe_key: "e1" }],
    ["event_inbox", "a second inbox entry of one id", { event_id: "i1" }],
    ["event_inbox", "a second inbox entry of one pane, source, channel and key", { dedupe_key: "i1" }],
    ["runtime_source_cursors", "a second cursor of one channel", { channel: "" }],
    ["states", "a second state of one runtime", { runtime_id: "r1" }],
    ["adapters", "a second adapter of one type", { agent_type: "claude" }],
    ["checkpoints", "a second checkpoint at one place", { order_key: "e1" }],
  ])("rejects in %s %s", (table, _name, change) => {
    expect(() => insertAnother(table, change)).toThrow(/UNIQUE constraint failed/u);
  });

  it("rejects a second runtime in one epoch of a pane, ended or not", () => {
    db.exec("UPDATE runtimes SET ended_at = 2, end_reason = 'exited'");
    expect(() => insertAnother("runtimes", { pane_id: "%1" })).toThrow(
      /UNIQUE constraint failed: runtimes.target_id, runtimes.boot_id, runtimes.pane_id, runtimes.pane_epoch/u,
    );
  });

  it("TC-003 rejects a second active runtime in one pane, and takes one after the end of the first", () => {
    const second = { pane_id: "%1", pane_epoch: 2 };
    expect(() => insertAnother("runtimes", second)).toThrow(
      /UNIQUE constraint failed: runtimes.target_id, runtimes.pane_id/u,
    );
    db.exec("UPDATE runtimes SET ended_at = 2, end_reason = 'exited'");
    insertAnother("runtimes", second);
    expect(() =>
      db.exec("UPDATE runtimes SET ended_at = NULL, end_reason = NULL WHERE runtime_id = 'r1'"),
    ).toThrow(/UNIQUE constraint failed/u);
  });

  it.each<[string, Row]>([
    ["panes", { target_id: "nowhere" }],
    ["runtimes", { target_id: "nowhere" }],
    ["actions", { runtime_id: "nobody" }],
    ["action_snapshots", { action_id: "nothing" }],
    ["events", { runtime_id: "nobody" }],
    ["events", { action_id: "nothing" }],
    ["runtime_source_cursors", { runtime_id: "nobody" }],
    ["states", { runtime_id: "nobody" }],
    ["checkpoints", { runtime_id: "nobody" }],
  ])("rejects in %s what refers to nothing: %j", (table, change) => {
    expect(() => insertAnother(table, change)).toThrow(/FOREIGN KEY constraint failed/u);
  });

  it.each<[string, string]>([
    ["targets", "target_id = 'host'"],
    ["runtimes", "runtime_id = 'r1'"],
    ["actions", "action_id = 'a1'"],
  ])("keeps a row of %s that others refer to", (table, where) => {
    expect(() => db.exec(`DELETE FROM ${table} WHERE ${where}`)).toThrow(/FOREIGN KEY constraint failed/u);
  });

  it.each<[string, Row]>([
    ["targets", { kind: "telnet" }],
    ["panes", { epoch: -1 }],
    ["runtimes", { pane_epoch: 0 }],
    ["runtimes", { ended_at: 5 }],
    ["runtimes", { end_reason: "exited" }],
    ["events", { source: "rumour" }],
    ["events", { dedupe_key: "" }],
    ["events", { spooled: 2 }],
    ["events", { late: 2 }],
    ["event_inbox", { dedupe_key: "" }],
    ["event_inbox", { status: "lost" }],
    ["states", { state: "sleeping" }],
    ["states", { confidence: "certain" }],
    ["states", { state_version: 0 }],
  ])("rejects in %s a value that the contract does not know: %j", (table, change) => {
    expect(() => insertAnother(table, change)).toThrow(/CHECK constraint failed/u);
  });

  it.each(GOOD_ROWS.flatMap(([table]) => [[table]]))(
    "rejects in %s NULL in any column of a key, and text in any column of numbers",
    (table) => {
      interface Column {
        readonly name: string;
        readonly type: string;
      }
      // Sound: the columns that PRAGMA table_info and index_info are documented to have.
      const columns = db.pragma(`table_info(${table})`) as Column[];
      const indexes = db.pragma(`index_list(${table})`) as { name: string; origin: string }[];
      const keyed = new Set(
        indexes
          .filter(({ origin }) => origin !== "c")
          .flatMap(({ name }) => (db.pragma(`index_info(${name})`) as Column[]).map((column) => column.name)),
      );
      expect(keyed.size).toBeGreaterThan(0);
      for (const name of keyed) {
        expect(() => insertAnother(table, { [name]: null }), name).toThrow(/NOT NULL constraint failed/u);
      }
      for (const { name, type } of columns.filter((column) => column.type === "INTEGER")) {
        expect(() => insertAnother(table, { [name]: "soon" }), `${name} ${type}`).toThrow(
          /cannot store TEXT value/u,
        );
      }
    },
  );
});
