import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BoundEvent } from "../../src/server/engine/event.js";
import {
  compareOrder,
  effectiveTime,
  inOrder,
  orderKey,
  type TimeFacts,
} from "../../src/server/engine/order.js";
import { holds } from "../support/property.js";
import { bound, history } from "./random-events.js";

const SECOND = 1_000_000;
const NOW = 1_700_000_000 * SECOND;
const BUDGET = 10 * SECOND;

function effective(facts: Partial<TimeFacts>): number {
  const all = { eventTime: NOW, resolution: 1, ingestedAt: NOW, spooled: false, ...facts };
  return effectiveTime(all, BUDGET);
}

describe("the effective time of an event", () => {
  const hourAgo = NOW - 3_600 * SECOND;
  it.each<[string, Partial<TimeFacts>, number]>([
    ["its own clock's, within the skew budget", { eventTime: NOW - BUDGET }, NOW - BUDGET],
    ["its own clock's, up to the budget ahead", { eventTime: NOW + BUDGET }, NOW + BUDGET],
    ["that of acceptance, for a clock behind the budget", { eventTime: NOW - BUDGET - 1 }, NOW],
    ["that of acceptance, for a clock ahead of the budget", { eventTime: NOW + BUDGET + 1 }, NOW],
    ["that of acceptance, for a far past", { eventTime: 1 }, NOW],
    ["that of acceptance, for a far future", { eventTime: 2 ** 53 - 1 }, NOW],
    ["its own clock's at 10 ms of resolution", { eventTime: NOW - 5, resolution: 10_000 }, NOW - 5],
    ["that of acceptance, coarser than 10 ms", { eventTime: NOW - 5, resolution: 10_001 }, NOW],
    ["its own clock's, from a spool hours later", { eventTime: hourAgo, spooled: true }, hourAgo],
    [
      "its spool file's, for a coarse clock",
      { eventTime: hourAgo - 7, resolution: SECOND, spooled: true, spooledAt: hourAgo },
      hourAgo,
    ],
    [
      "its own clock's, for a coarse clock whose spool file has no time",
      { eventTime: hourAgo, resolution: SECOND, spooled: true },
      hourAgo,
    ],
    ["never in the future, from a spool", { eventTime: NOW + 86_400 * SECOND, spooled: true }, NOW],
    [
      "never in the future, from a spool with a coarse clock",
      { eventTime: hourAgo, resolution: SECOND, spooled: true, spooledAt: NOW + 60 * SECOND },
      NOW,
    ],
  ])("is %s", (_name, facts, expected) => {
    expect(effective(facts)).toBe(expected);
  });
});

function event(id: string, time: number, facts: Partial<BoundEvent> = {}): BoundEvent {
  return {
    eventId: id,
    source: "hook",
    channel: "",
    eventTime: time,
    ingestedAt: time,
    effectiveTime: time,
    ...facts,
  };
}

function ids(events: readonly BoundEvent[]): string {
  return inOrder(events)
    .map(({ event: { eventId } }) => eventId)
    .join(" ");
}

describe("the order of a runtime's events", () => {
  it("is by effective time, then source, channel and event id", () => {
    const native = { source: "native" } as const;
    const events = [
      event("f", 2),
      event("e", 1, { ...native, channel: "title" }),
      event("d", 1, { ...native, channel: "session_file" }),
      event("c", 1, native),
      event("b", 1),
      event("a", 1),
    ];
    expect(ids(events)).toBe("a b c d e f");
  });

  it("of a sequenced channel is that of its sequence, however its clock jumps", () => {
    const seq = (id: string, time: number, sourceSeq: number): BoundEvent =>
      event(id, time, { source: "native", channel: "events", sourceSeq });
    const events = [seq("one", 100, 1), seq("two", 40, 2), seq("three", 90, 3), seq("four", 120, 4)];
    expect(ids([...events].reverse())).toBe("one two three four");
  });

  it("of a sequenced channel counts from the running maximum of its times against other channels", () => {
    const events = [
      event("first", 100, { source: "native", channel: "events", sourceSeq: 1 }),
      event("jumped back", 40, { source: "native", channel: "events", sourceSeq: 2 }),
      event("hook", 70),
      event("after", 101),
    ];
    expect(ids(events)).toBe("hook first jumped back after");
  });

  it("is total and the same for every permutation", () => {
    const hints = { agentType: "claude", targetIds: ["host"], parentPids: [] };
    const permuted = history(hints, 20)
      .map((events) => events.map(bound))
      .chain((events) =>
        fc.tuple(fc.constant(events), fc.shuffledSubarray(events, { minLength: events.length })),
      );
    holds(
      fc.property(permuted, ([events, shuffled]) => {
        const expected = inOrder(events);
        expect(inOrder(shuffled)).toEqual(expected);
        expected.slice(1).forEach(({ key }, index) => {
          const before = expected[index]?.key;
          expect(before === undefined ? 0 : compareOrder(before, key)).toBeLessThan(0);
        });
      }),
      300,
    );
  });

  it("is a strict order of keys", () => {
    const key = fc
      .record({
        time: fc.nat({ max: 2 }),
        source: fc.constantFrom("hook", "native"),
        channel: fc.constantFrom("", "title"),
        seq: fc.nat({ max: 1 }),
        eventId: fc.constantFrom("a", "b"),
      })
      .map((facts) => ({ ...facts }));
    holds(
      fc.property(key, key, key, (a, b, c) => {
        expect(Math.sign(compareOrder(a, b)) + Math.sign(compareOrder(b, a))).toBe(0);
        if (compareOrder(a, b) < 0 && compareOrder(b, c) < 0) expect(compareOrder(a, c)).toBeLessThan(0);
      }),
      500,
    );
  });

  it("knows no sequence of another channel of the same source", () => {
    const marks = { "native/events": { seq: 9, time: 500 } };
    const other = event("x", 10, { source: "native", channel: "title", sourceSeq: 1 });
    expect(orderKey(other, marks).time).toBe(10);
  });
});
