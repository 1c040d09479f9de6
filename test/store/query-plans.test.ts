import SqliteDatabase, { type Database } from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ActionStore } from "../../src/server/store/action-store.js";
import { CheckpointStore } from "../../src/server/store/checkpoint-store.js";
import { EventStore } from "../../src/server/store/event-store.js";
import { InboxStore } from "../../src/server/store/inbox-store.js";
import { migrate } from "../../src/server/store/migrate.js";
import { RetentionStore } from "../../src/server/store/retention-store.js";
import { RuntimeStore } from "../../src/server/store/runtime-store.js";
import { StateStore } from "../../src/server/store/state-store.js";
import { TargetStore } from "../../src/server/store/target-store.js";
import { fill } from "./filled-database.js";

/** Nightly runs ask for a million. */
const EVENTS = Number(process.env["AGTMUX_TEST_EVENTS"] ?? "20000");

/** Tables with a handful of rows, read whole on purpose; a list that the caller gave. */
const SMALL = new Set(["targets", "json_each"]);

/** An index that holds nothing but what is asked for: actions without a result, of which there are as many as run. */
const ALL_OF_IT = / USING INDEX actions_unfinished$/u;

/** How a page of a list is found. */
const PAGE = "created_at>? AND (created_at,action_id)<(?,?)";

interface Step {
  readonly detail: string;
}

/** Every statement that the stores prepare, once made and once used in each of its forms. */
function statements(db: Database): string[] {
  const seen: string[] = [];
  const recording: Database = new Proxy(db, {
    get(target, name) {
      if (name !== "prepare") return Reflect.get(target, name, target);
      return (sql: string) => {
        seen.push(sql);
        return target.prepare(sql);
      };
    },
  });
  const fixed = [
    ActionStore,
    CheckpointStore,
    InboxStore,
    RetentionStore,
    RuntimeStore,
    StateStore,
    TargetStore,
  ] as const;
  for (const Store of fixed) void new Store(recording);
  const events = new EventStore(recording);
  const before = { ingestedAt: 1, eventId: "a" };
  for (const runtimeId of [undefined, "r"]) {
    for (const actionId of [undefined, "a"]) {
      events.list({ runtimeId, actionId, limit: 10 });
      events.list({ runtimeId, actionId, since: 1, until: 2, before, limit: 10 });
    }
  }
  return seen;
}

/** SQLite chooses otherwise when it has statistics; the daemon makes none, a user's tool may. */
describe.each([
  ["without statistics", false],
  ["with statistics", true],
])("TC-013 every query of the stores, %s", (_name, analyzed) => {
  let db: Database;
  let all: string[];

  beforeAll(() => {
    db = new SqliteDatabase(":memory:");
    migrate(db);
    fill(db, EVENTS);
    if (analyzed) db.exec("ANALYZE");
    all = statements(db);
  }, 600_000);
  afterAll(() => {
    db.close();
  });

  function plan(sql: string): string[] {
    const parameters = sql.split("?").length - 1;
    const values = Array.from({ length: parameters }, () => null);
    return db
      .prepare<unknown[], Step>(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...values)
      .map(({ detail }) => detail);
  }

  it("is looked at here", () => {
    expect(all.length).toBeGreaterThan(30);
  });

  it("reads no table from end to end", () => {
    const scans = all.flatMap((sql) =>
      plan(sql)
        .filter((detail) => /^SCAN (?!CONSTANT|\(subquery|\d)/u.test(detail) && !/ USING /u.test(detail))
        .filter((detail) => !SMALL.has(detail.split(" ")[1] ?? ""))
        .map((detail) => `${detail}: ${sql}`),
    );
    expect(scans).toEqual([]);
  });

  it("reads an index from end to end only where it stops early", () => {
    const whole = all.flatMap((sql) =>
      plan(sql)
        .filter((detail) => /^SCAN .* USING /u.test(detail))
        .filter((detail) => !/LIMIT/u.test(sql) && !SMALL.has(detail.split(" ")[1] ?? ""))
        .filter((detail) => !ALL_OF_IT.test(detail))
        .map((detail) => `${detail}: ${sql}`),
    );
    expect(whole).toEqual([]);
  });

  it("sorts no more than ties", () => {
    const sorts = all.flatMap((sql) =>
      plan(sql)
        .filter((detail) => detail === "USE TEMP B-TREE FOR ORDER BY")
        // An action has a few events; what sources have in common is merged.
        .filter(() => !/UNION ALL|action_id = /u.test(sql))
        .map((detail) => `${detail}: ${sql}`),
    );
    expect(sorts).toEqual([]);
  });

  it.each([
    [
      "of a request",
      /FROM actions WHERE action_type/u,
      "sqlite_autoindex_actions_2 (action_type=? AND request_ref=?)",
    ],
    ["of a runtime", /FROM actions WHERE runtime_id/u, `actions_by_runtime (runtime_id=? AND ${PAGE})`],
    ["of a pane", /FROM actions WHERE target_id/u, `actions_by_pane (target_id=? AND pane_id=? AND ${PAGE})`],
    ["of a time", /FROM actions WHERE +created_at >/u, `actions_by_time (${PAGE})`],
    ["without a result", /FROM actions WHERE status/u, "actions_unfinished"],
  ])("finds the actions %s by the index that was made for it", (_which, query, index) => {
    const [sql = "", ...others] = all.filter((each) => query.test(each));
    expect(others).toEqual([]);
    expect(plan(sql)).toEqual([expect.stringMatching(/^(?:SEARCH|SCAN) actions USING INDEX /u)]);
    expect(plan(sql)).toEqual([expect.stringContaining(` ${index}`)]);
  });
});
