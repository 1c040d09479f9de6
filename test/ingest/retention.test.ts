import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claudeAdapter } from "../../src/server/adapters/claude/index.js";
import { type AnyAdapter, registered } from "../../src/server/adapters/contract.js";
import { emptyFold, refold } from "../../src/server/engine/fold.js";
import { inOrder } from "../../src/server/engine/order.js";
import { type Removed, Retention } from "../../src/server/ingest/retention.js";
import { bound, history, type RandomEvent, traceReducer } from "../engine/random-events.js";
import { holds, PATIENCE } from "../support/property.js";
import { SILENT } from "../support/silent-log.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const DAY = 24 * 3_600_000_000;
const record = runtimeRecord();
const id = record.runtimeId;

/** `order` is opaque to the types but JSON all the same: strings and candidates. */
const tracing: AnyAdapter = registered({ ...claudeAdapter, reducer: traceReducer } as never);

let lab: JournalLab;
beforeEach(() => {
  lab = new JournalLab();
  lab.open(record);
});
afterEach(() => lab.close());

function retain(now: number, steadyFor = Number.POSITIVE_INFINITY): Promise<Removed> {
  const settings = {
    eventsKeptMs: (14 * DAY) / 1_000,
    actionsKeptMs: (14 * DAY) / 1_000,
    retentionEveryMs: 1e9,
  };
  const clock = { now: () => now, steadyFor: () => steadyFor };
  return new Retention(lab.store, lab.journal, settings, clock, SILENT).run();
}

function count(table: string): number {
  const db = lab.connect();
  const { n } = db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get() ?? { n: -1 };
  db.close();
  return n;
}

function sound(): void {
  const db = lab.connect();
  expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
  expect(db.pragma("foreign_key_check")).toEqual([]);
  db.close();
}

describe("TC-012 retention", () => {
  it("takes away a living runtime's events of over 14 days and leaves its state, over a restart too", async () => {
    lab.accept([prepared({ eventTime: START }), prepared({ eventTime: START + 1 })], START);
    lab.accept([prepared({ eventTime: START + DAY })], START + DAY);
    const before = lab.hash();
    expect(await retain(START + 14 * DAY + DAY / 2)).toMatchObject({ events: 2 });
    expect([count("events"), lab.hash()]).toEqual([1, before]);
    lab.restart();
    expect(lab.hash()).toBe(before);
    expect(await retain(START + 16 * DAY)).toMatchObject({ events: 1 });
    lab.restart();
    expect([count("events"), lab.hash()]).toEqual([0, before]);
    sound();
  });

  it("keeps an event that came out of a spool lately, however old it is", async () => {
    const spooled = prepared({ eventTime: START + 1, spooled: true, spooledAt: START + 1 });
    lab.accept([prepared({ eventTime: START })], START);
    lab.accept([spooled], START + 13 * DAY);
    expect(await retain(START + 15 * DAY)).toMatchObject({ events: 1 });
    expect(count("events")).toBe(1);
  });

  it("marks what belongs before the base as late: it changes nothing, and is not folded after a restart", async () => {
    lab.accept([prepared({ eventTime: START + DAY })], START + DAY);
    await retain(START + 20 * DAY);
    const before = lab.hash();
    const old = prepared({ eventTime: START, spooled: true, spooledAt: START, transition: { kind: "stop" } });
    lab.accept([old], START + DAY + 1);
    expect(lab.hash()).toBe(before);
    lab.restart();
    expect(lab.hash()).toBe(before);
    const [row] = lab.store.events.list({ limit: 1 });
    expect(row?.late).toBe(true);
  });

  it("takes away all events of a runtime that has ended, and keeps the runtime with its last state", async () => {
    lab.accept([prepared({ eventTime: START })], START);
    lab.end(id);
    expect(await retain(START + 15 * DAY)).toMatchObject({ events: 1 });
    expect(lab.store.runtimes.find(id)).toMatchObject({ endReason: "exited" });
    expect(lab.store.states.find(id)?.status.state).toBe("running");
    expect(count("checkpoints")).toBe(0);
    sound();
  });

  it("takes away inbox rows that are settled, and none that waits", async () => {
    const nowhere = { agentType: "claude", targetIds: ["host"], pane: { paneId: "%9" }, parentPids: [] };
    lab.accept([prepared({ hints: nowhere })], START);
    lab.retryInbox(START + DAY);
    lab.accept([prepared({ hints: nowhere })], START);
    expect(await retain(START + 15 * DAY)).toMatchObject({ inbox: 1 });
    expect(lab.journal.hasPending()).toBe(true);
  });

  it("takes away actions with their snapshots, but none that a kept event names", async () => {
    const action = (name: string): string =>
      `INSERT INTO actions (action_id, action_type, request_ref, request_hash, ref, status, created_at)
       VALUES ('${name}', 'send', '${name}', '', '', 'done', ${START});
       INSERT INTO action_snapshots (action_id, target_id, pane_id, pane_pid, state_version, observed_at, expires_at, nonce)
       VALUES ('${name}', 'host', '%1', 1, 1, ${START}, ${START}, '');`;
    lab.write(action("old") + action("named"));
    lab.accept([prepared({ eventTime: START + 14 * DAY, actionId: "named" })], START + 14 * DAY);
    expect(await retain(START + 15 * DAY)).toMatchObject({ actions: 1 });
    expect([count("actions"), count("action_snapshots")]).toEqual([1, 1]);
    sound();
    // Its key is taken as long as the action is there, and free afterwards.
    expect(lab.store.actions.ofRequest("send", "named")?.actionId).toBe("named");
    expect(await retain(START + 29 * DAY)).toEqual({ events: 1, inbox: 0, actions: 1 });
    expect(lab.store.actions.ofRequest("send", "named")).toBeUndefined();
    expect([count("actions"), count("action_snapshots")]).toEqual([0, 0]);
    sound();
  });

  it("takes no action away before its 14 days are over", async () => {
    lab.write(`INSERT INTO actions (action_id, action_type, request_ref, request_hash, ref, status, created_at)
      VALUES ('a', 'send', 'a', '', '', 'done', ${START})`);
    expect(await retain(START + 14 * DAY)).toMatchObject({ actions: 0 });
    expect(await retain(START + 14 * DAY + 1)).toMatchObject({ actions: 1 });
  });

  it("takes nothing away within an hour of a leap of the clock, which may be set back again", async () => {
    lab.accept([prepared({ eventTime: START })], START);
    expect(await retain(START + 400 * DAY, 1_000_000)).toEqual({ events: 0, inbox: 0, actions: 0 });
    expect(await retain(START + 400 * DAY, 3_600_000_000)).toMatchObject({ events: 1 });
  });

  it("works off any number of events of one and the same moment", async () => {
    const many = Array.from({ length: 1_300 }, () => prepared({ eventTime: START }));
    lab.accept(many, START);
    const before = lab.hash();
    expect(await retain(START + 15 * DAY)).toMatchObject({ events: 1_300 });
    lab.restart();
    expect(lab.hash()).toBe(before);
  });

  it("a state is as if nothing had been taken away, whatever goes when and comes after", {
    timeout: 60_000 * PATIENCE,
  }, () => {
    const hints = { agentType: "claude", targetIds: ["host"], parentPids: [], runtimeId: id };
    const plan = history(hints, 30).chain((events) =>
      fc.record({
        events: fc.constant(events),
        first: fc.nat({ max: events.length }),
        limits: fc.array(
          fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat({ max: 125_000_000 }), fc.boolean()),
          {
            maxLength: 6,
          },
        ),
        swaps: fc.array(fc.nat({ max: 29 }), { maxLength: 10 }),
      }),
    );
    const deliver = (room: JournalLab, events: readonly RandomEvent[]): void => {
      room.journal.transaction(() => {
        for (const { prepared: event, ingestedAt } of events) room.journal.accept(event, ingestedAt);
      });
    };
    holds(
      fc.property(plan, ({ events, first, limits, swaps }) => {
        const room = new JournalLab(tracing);
        try {
          room.open(record);
          const byId = new Map(events.map((event) => [event.prepared.eventId, event]));
          const ordered = inOrder(events.map(bound)).flatMap(({ event }) => byId.get(event.eventId) ?? []);
          const [early, late] = [ordered.slice(0, first), ordered.slice(first)];
          for (const list of [early, late]) {
            for (const at of swaps) {
              const event = list.splice(at % Math.max(1, list.length), 1);
              list.push(...event);
            }
          }
          deliver(room, early);
          for (const [limit, cut, restart] of limits) {
            room.journal.transaction(() => room.journal.forget(id, START + cut, limit));
            if (restart) room.restart();
          }
          deliver(room, late);
          const expected = refold(emptyFold(traceReducer, START), events.map(bound), traceReducer).status;
          expect(room.status(id)).toEqual(expected);
          room.restart();
          expect(room.status(id)).toEqual(expected);
        } finally {
          room.close();
        }
      }),
      150,
    );
  });
});
