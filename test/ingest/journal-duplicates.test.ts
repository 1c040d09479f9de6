import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claudeAdapter } from "../../src/server/adapters/claude/index.js";
import { registered } from "../../src/server/adapters/contract.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import { holds } from "../support/property.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const record = runtimeRecord();
let lab: JournalLab;
beforeEach(() => {
  lab = new JournalLab();
  lab.open(record);
});
afterEach(() => lab.close());

function kinds(events: readonly PreparedEvent[]): string[] {
  return lab.accept(events, START).map(({ kind }) => kind);
}

function rows(): unknown {
  const db = lab.connect();
  const count = db
    .prepare("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM event_inbox)")
    .pluck()
    .get();
  db.close();
  return count;
}

describe("TC-007 a repeated event", () => {
  it("is applied once: in one batch, in the next, and in the next life", () => {
    const event = prepared();
    expect(kinds([event, event])).toEqual(["accepted", "duplicate"]);
    expect(kinds([event])).toEqual(["duplicate"]);
    lab.restart();
    expect(kinds([event])).toEqual(["duplicate"]);
    expect(lab.runtime(record.runtimeId).fold.count).toBe(1);
    expect(lab.journal.counters.list()).toMatchObject([{ accepted: 0, duplicates: 1 }]);
  });

  it("is known after its runtime has ended, and does not wait for the next one in that pane", () => {
    const event = prepared();
    kinds([event]);
    lab.end(record.runtimeId);
    expect(kinds([event])).toEqual(["duplicate"]);
    expect(lab.journal.hasPending()).toBe(false);
  });

  it("is known by its key under a fresh event id, within its runtime, source and channel alone", () => {
    const notify = { source: "notify", dedupeKey: "k" } as const;
    const other = runtimeRecord({ pane: "%2", pid: 7 });
    lab.open(other);
    const elsewhere = { ...prepared().hints, pane: { paneId: "%2" } };
    const events = [
      prepared(notify),
      prepared(notify),
      prepared({ ...notify, channel: "x" }),
      prepared({ ...notify, source: "hook" }),
      prepared({ ...notify, hints: elsewhere }),
    ];
    expect(kinds(events)).toEqual(["accepted", "duplicate", "accepted", "accepted", "accepted"]);
  });

  it("is known while it waits in the inbox, and after it was bound or dropped", () => {
    const waiting = prepared({ hints: { ...prepared().hints, pane: { paneId: "%9" } } });
    expect(kinds([waiting, waiting])).toEqual(["pending", "duplicate"]);
    expect(kinds([{ ...waiting, eventId: prepared().eventId }])).toEqual(["duplicate"]);
    lab.open(runtimeRecord({ pane: "%9", pid: 9 }));
    lab.retryInbox(START);
    expect(kinds([waiting])).toEqual(["duplicate"]);
    const dropped = prepared({ hints: { agentType: "claude", targetIds: [], parentPids: [] } });
    kinds([dropped]);
    lab.retryInbox(START + 10 ** 9);
    expect(kinds([dropped])).toEqual(["duplicate"]);
  });

  it("with other contents changes nothing that the first one said", () => {
    const event = prepared();
    kinds([event]);
    const before = lab.status(record.runtimeId);
    kinds([{ ...event, transition: { kind: "stop" }, eventTime: START + 9_000_000 }]);
    expect(lab.status(record.runtimeId)).toEqual(before);
  });
});

describe("TC-049 a storm of duplicates", () => {
  it("ends in the state of the events told once, writes each once, and moves state_version no further", () => {
    const kindsOf = fc.constantFrom(
      "prompt",
      "activity",
      "permission",
      "stop",
      "idle_notice",
      "stop_failure",
    );
    const storm = fc
      .array(kindsOf, { minLength: 1, maxLength: 8, size: "max" })
      .chain((chosen) =>
        fc.tuple(
          fc.constant(
            chosen.map((kind, index) => prepared({ eventTime: START + index * 1_000, transition: { kind } })),
          ),
          fc.array(fc.nat(), { minLength: 100, maxLength: 200, size: "max" }),
        ),
      );
    holds(
      fc.property(storm, ([events, picks]) => {
        const adapter = registered(claudeAdapter);
        const calm = new JournalLab(adapter);
        const stormy = new JournalLab(adapter);
        try {
          for (const one of [calm, stormy]) one.open(record);
          calm.accept(events, START);
          const told = [...events, ...picks.flatMap((pick) => events[pick % events.length] ?? [])];
          for (let at = 0; at < told.length; at += 16) stormy.accept(told.slice(at, at + 16), START);
          expect(stormy.hash()).toBe(calm.hash());
          expect(stormy.runtime(record.runtimeId).state.stateVersion).toBe(
            calm.runtime(record.runtimeId).state.stateVersion,
          );
          expect(stormy.runtime(record.runtimeId).fold.count).toBe(events.length);
        } finally {
          calm.close();
          stormy.close();
        }
      }),
      25,
    );
  });

  it("adds no rows, and is counted", () => {
    const event = prepared();
    kinds([event]);
    const before = rows();
    for (let round = 0; round < 20; round++) kinds(Array.from({ length: 50 }, () => event));
    expect(rows()).toBe(before);
    expect(lab.journal.counters.list()).toMatchObject([{ accepted: 1, duplicates: 1_000 }]);
  });
});
