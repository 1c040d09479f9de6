import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ActionPlan, ActionQuery, ActionRecord } from "../../src/server/store/action-store.js";
import { openStore, type Store } from "../../src/server/store/store.js";
import { runtimeRecord } from "../ingest/journal-harness.js";
import { holds } from "../support/property.js";
import { useDatabaseFile } from "./database-file.js";

const file = useDatabaseFile();
const first = runtimeRecord();
const second = runtimeRecord({ pane: "%2" });

let store: Store;
let planned = 0;
beforeEach(() => {
  store = openStore(file().path, () => new Date(0));
  store.targets.insert({ targetId: "host", kind: "local", sshTarget: "", tmuxSocket: "", createdAt: 1 });
  for (const record of [first, second]) store.runtimes.insert(record);
});
afterEach(() => store.close());

const SNAPSHOT = {
  runtimeId: first.runtimeId,
  bootId: "77:1700000000",
  paneId: "%1",
  panePid: 4_000,
  stateVersion: 7,
  observedAt: 10,
  expiresAt: 40,
  nonce: "n",
};

/** An action's id: as long as real ones are, and in no order of time. */
function idOf(number: number): string {
  return `${String((number * 7_919) % 100_000).padStart(8, "0")}-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

function plan(more: Partial<ActionPlan> = {}): ActionPlan {
  planned += 1;
  const made: ActionPlan = {
    actionId: idOf(planned),
    actionType: "send",
    requestRef: `request ${planned}`,
    requestHash: "h",
    ref: "pane:host/work/@1/%1",
    targetId: "host",
    paneId: "%1",
    sessionName: "work",
    windowId: "@1",
    runtimeId: first.runtimeId,
    caller: "test 1",
    createdAt: planned,
    ...more,
  };
  store.actions.plan(made, SNAPSHOT);
  return made;
}

/** All of a list, page by page. `between` is called after each page. */
function pages(
  query: Omit<ActionQuery, "limit" | "after">,
  limit: number,
  between = (): void => undefined,
): ActionRecord[] {
  const all: ActionRecord[] = [];
  for (let after: ActionQuery["after"]; ; ) {
    const page = store.actions.list({ ...query, limit, after });
    all.push(...page);
    const last = page.at(-1);
    if (last === undefined) return all;
    if (all.length > 1_000) throw new Error("the list does not end");
    after = last;
    between();
  }
}

const newestFirst = (a: ActionPlan, b: ActionPlan): number =>
  b.createdAt - a.createdAt || (a.actionId < b.actionId ? 1 : -1);

describe("actions in the store", () => {
  it("are found by their id and by their request, as they were planned", () => {
    const made = plan();
    const found = { ...made, status: "planned", outcome: undefined, completedAt: undefined };
    expect(store.actions.find(made.actionId)).toEqual(found);
    expect(store.actions.ofRequest("send", made.requestRef)).toEqual(found);
    expect(store.actions.ofRequest("approve", made.requestRef)).toBeUndefined();
    expect(store.actions.find("none")).toBeUndefined();
  });

  it("keep what they were planned on", () => {
    const { actionId } = plan();
    const rows = file().connect().prepare("SELECT * FROM action_snapshots").all();
    expect(rows).toEqual([
      {
        action_id: actionId,
        target_id: "host",
        boot_id: "77:1700000000",
        pane_id: "%1",
        pane_pid: 4_000,
        runtime_id: first.runtimeId,
        state_version: 7,
        observed_at: 10,
        expires_at: 40,
        nonce: "n",
      },
    ]);
  });

  it("TC-025 are one for each type and request_ref; a second one leaves neither action nor snapshot", () => {
    const { requestRef } = plan();
    plan({ actionType: "approve", requestRef });
    expect(() => store.transaction(() => plan({ requestRef }))).toThrow(/UNIQUE constraint failed/u);
    const count = (table: string) => file().connect().prepare(`SELECT count(*) FROM ${table}`).pluck().get();
    expect([count("actions"), count("action_snapshots")]).toEqual([2, 2]);
  });

  it("of a pane without an agent name no runtime", () => {
    const { actionId } = plan({ runtimeId: "", paneId: "%9" });
    expect(store.actions.find(actionId)?.runtimeId).toBe("");
  });

  it("are unfinished until they have a result, which is kept word for word", () => {
    const [begun, waiting, done] = [plan(), plan(), plan()];
    store.actions.start(begun.actionId);
    const error = { code: "E_PRECONDITION_FAILED", details: { reason: "draft_present" } };
    const outcome = { code: "refused", message: "a draft stands there", error, effect: "no" } as const;
    store.actions.finish(done.actionId, outcome, 99);
    const open = store.actions.unfinished().map(({ actionId, status }) => `${actionId} ${status}`);
    expect(open.sort()).toEqual([`${begun.actionId} started`, `${waiting.actionId} planned`].sort());
    expect(store.actions.find(done.actionId)).toMatchObject({ status: "done", outcome, completedAt: 99 });
    const columns = "result_code, error_code";
    const row = file()
      .connect()
      .prepare(`SELECT ${columns} FROM actions WHERE action_id = ?`)
      .get(done.actionId);
    expect(row).toEqual({ result_code: "refused", error_code: "E_PRECONDITION_FAILED" });
  });

  it("TC-031 are listed newest first, those of one microsecond by id, page by page without gap or repeat", () => {
    const places = fc.record({
      at: fc.nat({ max: 6 }),
      pane: fc.constantFrom("%1", "%2"),
    });
    holds(
      fc.property(
        fc.array(places, { maxLength: 25 }),
        fc.integer({ min: 1, max: 7 }),
        fc.option(fc.nat({ max: 7 }), { nil: undefined }),
        (made, limit, since) => {
          store.transaction(() => store.retention.removeActions(Number.MAX_SAFE_INTEGER, 1_000));
          const all = store.transaction(() =>
            made.map(({ at, pane }) => {
              const { runtimeId } = pane === "%1" ? first : second;
              return plan({ createdAt: at, paneId: pane, runtimeId });
            }),
          );
          const expected = (fits: (action: ActionPlan) => boolean): string[] =>
            all
              .filter((action) => fits(action) && action.createdAt >= (since ?? 0))
              .toSorted(newestFirst)
              .map(({ actionId }) => actionId);
          const ids = (query: Omit<ActionQuery, "limit" | "after">): string[] =>
            pages({ since, ...query }, limit).map(({ actionId }) => actionId);
          expect(ids({})).toEqual(expected(() => true));
          expect(ids({ runtimeId: first.runtimeId })).toEqual(expected(({ paneId }) => paneId === "%1"));
          const pane = { targetId: "host", paneId: "%2" };
          expect(ids({ pane })).toEqual(expected(({ paneId }) => paneId === "%2"));
          expect(ids({ pane: { ...pane, targetId: "other" } })).toEqual([]);
          expect(ids({ runtimeId: "nobody" })).toEqual([]);
        },
      ),
      60,
    );
  });

  it("are paged as they were when the first page was read, whatever is planned and finished meanwhile", () => {
    const before = Array.from({ length: 20 }, () => plan());
    const read = pages({}, 3, () => {
      const { actionId } = plan();
      store.actions.finish(actionId, { code: "ok", message: "" }, 1);
    });
    expect(read.map(({ actionId }) => actionId)).toEqual(before.toReversed().map(({ actionId }) => actionId));
  });
});
