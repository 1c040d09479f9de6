import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { claudeReducer } from "../../src/server/adapters/claude/reducer.js";
import type { BoundEvent } from "../../src/server/engine/event.js";
import { emptyFold, type Fold, type Reducer, refold } from "../../src/server/engine/fold.js";
import { stateHash } from "../../src/server/engine/state-hash.js";
import { extend, timelineFrom } from "../../src/server/engine/timeline.js";
import { withCase } from "../support/failing-case.js";
import { holds } from "../support/property.js";
import { bound, history, type RandomEvent, START, traceReducer } from "./random-events.js";

const HINTS = { agentType: "claude", targetIds: ["host"], parentPids: [] };

/** What a daemon does with events as they arrive, in batches of 1 to 3: extend what it has, else fold all anew. */
function arrive<M>(events: readonly BoundEvent[], reducer: Reducer<M>): Fold<M> {
  const start = emptyFold(reducer, START);
  let timeline = timelineFrom(start, [], reducer);
  const seen = new Map<string, BoundEvent>();
  for (let at = 0, size = 1; at < events.length; at += size, size = (size % 3) + 1) {
    const batch: BoundEvent[] = [];
    for (const event of events.slice(at, at + size)) {
      if (seen.has(event.eventId)) continue;
      seen.set(event.eventId, event);
      batch.push(event);
    }
    timeline = extend(timeline, batch, reducer)?.timeline ?? timelineFrom(start, [...seen.values()], reducer);
  }
  return timeline.fold;
}

function hash<M>(fold: Fold<M>): string {
  return stateHash(new Map([["r", fold.status]]));
}

const shuffledHistory = shuffled(40);
/** Longer than what a timeline remembers. */
const longHistory = shuffled(200);

function shuffled(maxLength: number): fc.Arbitrary<{ events: RandomEvent[]; delivery: RandomEvent[] }> {
  return history(HINTS, maxLength).chain((events) =>
    fc.record({
      events: fc.constant(events),
      delivery: fc
        .tuple(
          fc.shuffledSubarray(events, { minLength: events.length }),
          fc.array(fc.constantFrom(...events), { maxLength: 10, size: "max" }),
          fc.array(fc.nat(), { maxLength: 10, size: "max" }),
        )
        .map(([order, repeats, places]) => {
          const delivery = [...order];
          repeats.forEach((event, index) => {
            delivery.splice((places[index] ?? 0) % (delivery.length + 1), 0, event);
          });
          return delivery;
        }),
    }),
  );
}

const reducers: readonly [
  string,
  (events: readonly BoundEvent[]) => string,
  (events: readonly BoundEvent[]) => string,
][] = [
  [
    "every event's place counts",
    (events) => hash(arrive(events, traceReducer)),
    (events) => hash(refold(emptyFold(traceReducer, START), events, traceReducer)),
  ],
  [
    "Claude Code's reducer",
    (events) => hash(arrive(events, claudeReducer)),
    (events) => hash(refold(emptyFold(claudeReducer, START), events, claudeReducer)),
  ],
];

describe.each(reducers)("where %s", (_name, arrived, ordered) => {
  it("TC-006 one set of events, shuffled and repeated at will, ends in the same state hash", () => {
    holds(
      fc.property(shuffledHistory, ({ events, delivery }) => {
        withCase("convergence", START, delivery.map(bound), () => {
          expect(arrived(delivery.map(bound))).toBe(ordered(events.map(bound)));
        });
      }),
      1_500,
    );
  });

  it("TC-006 so does a set longer than what is remembered of it", () => {
    holds(
      fc.property(longHistory, ({ events, delivery }) => {
        withCase("convergence", START, delivery.map(bound), () => {
          expect(arrived(delivery.map(bound))).toBe(ordered(events.map(bound)));
        });
      }),
      100,
    );
  });
});

describe("the trace that the property rests on", () => {
  it("tells apart two orders of the same events", () => {
    const twins = fc
      .sample(history(HINTS, 20), { seed: 1, numRuns: 200 })
      .filter((events) => events.length > 3);
    const told = twins.filter((events) => {
      const late = events
        .map(bound)
        .map((event, index) => ({ ...event, effectiveTime: START + index, sourceSeq: undefined }));
      const swapped = late.map((event, index) => ({ ...event, effectiveTime: START + (index ^ 1) }));
      return hash(arrive(late, traceReducer)) !== hash(arrive(swapped, traceReducer));
    });
    expect(told.length).toBeGreaterThan(twins.length / 2);
  });
});
