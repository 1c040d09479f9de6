import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { claudeAdapter } from "../../src/server/adapters/claude/index.js";
import { type AnyAdapter, registered } from "../../src/server/adapters/contract.js";
import { emptyFold, refold } from "../../src/server/engine/fold.js";
import { stateHash } from "../../src/server/engine/state-hash.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import { bound, history, type RandomEvent, START, traceReducer } from "../engine/random-events.js";
import { withCase } from "../support/failing-case.js";
import { holds, PATIENCE } from "../support/property.js";
import { JournalLab, runtimeRecord } from "./journal-harness.js";

const early = runtimeRecord({ pane: "%1" });
/** Opens in the middle of the delivery: until then its events wait in the inbox. */
const later = runtimeRecord({ pane: "%2", pid: 5555 });

/** `order` is opaque to the types but JSON all the same: strings and candidates. */
const tracing: AnyAdapter = registered({ ...claudeAdapter, reducer: traceReducer } as never);

const byRuntime = { agentType: "claude", targetIds: ["host"], parentPids: [], runtimeId: early.runtimeId };
const byPane = { agentType: "claude", targetIds: ["host"], parentPids: [], pane: { paneId: "%2" } };

function renumbered(events: readonly RandomEvent[], prefix: string): RandomEvent[] {
  const rename = (id: string): string => `${prefix}${id.slice(1)}`;
  return events.map(({ ingestedAt, prepared }) => {
    const guard = prepared.transition?.attributes?.["guard"];
    const transition =
      prepared.transition === undefined || typeof guard !== "string"
        ? prepared.transition
        : { ...prepared.transition, attributes: { guard: rename(guard) } };
    const eventId = rename(prepared.eventId);
    return { ingestedAt, prepared: { ...prepared, eventId, dedupeKey: eventId, transition } };
  });
}

type Step =
  | { readonly kind: "deliver"; readonly batch: readonly RandomEvent[] }
  | { readonly kind: "restart" }
  | { readonly kind: "open" }
  | { readonly kind: "retry" };

interface Plan {
  readonly first: readonly RandomEvent[];
  readonly second: readonly RandomEvent[];
  readonly steps: readonly Step[];
}

const cuts = fc.array(fc.nat({ max: 6 }), { minLength: 12, maxLength: 12, size: "max" });
const turns = fc.array(fc.constantFrom("none", "none", "restart", "retry"), {
  minLength: 12,
  maxLength: 12,
  size: "max",
});

const plan: fc.Arbitrary<Plan> = fc
  .tuple(history(byRuntime, 25), history(byPane, 12))
  .map(([first, second]) => ({ first: renumbered(first, "a"), second: renumbered(second, "b") }))
  .chain(({ first, second }) => {
    const all = [...first, ...second];
    return fc
      .tuple(
        fc.shuffledSubarray(all, { minLength: all.length }),
        fc.array(fc.constantFrom(...all), { maxLength: 8, size: "max" }),
        cuts,
        turns,
        fc.nat({ max: 12 }),
      )
      .map(([order, repeats, sizes, between, openAt]) => {
        const delivery = [...order, ...repeats];
        const steps: Step[] = [];
        sizes.forEach((size, index) => {
          if (index === openAt) steps.push({ kind: "open" });
          const last = index === sizes.length - 1;
          const batch = delivery.splice(0, last ? delivery.length : size);
          steps.push({ kind: "deliver", batch });
          const turn = between[index];
          if (turn === "restart" || turn === "retry") steps.push({ kind: turn });
        });
        if (openAt >= sizes.length) steps.push({ kind: "open" });
        return { first, second, steps };
      });
  });

/** Batches carry their own ingested_at: the journal takes one per call, so each event goes by itself in one commit. */
function deliver(lab: JournalLab, batch: readonly RandomEvent[]): void {
  lab.journal.transaction(() => {
    for (const { prepared, ingestedAt } of batch) lab.journal.accept(asStored(prepared), ingestedAt);
  });
}

/** Events wait in the inbox as JSON: what JSON forgets must not matter. */
function asStored(event: PreparedEvent): PreparedEvent {
  // Sound: a prepared event is JSON data by its own contract.
  return JSON.parse(JSON.stringify(event)) as PreparedEvent;
}

function run({ steps }: Plan, adapter: AnyAdapter): { live: string; reloaded: string; waiting: number } {
  const lab = new JournalLab(adapter);
  try {
    lab.open(early);
    for (const step of steps) {
      if (step.kind === "deliver") deliver(lab, step.batch);
      if (step.kind === "restart") lab.restart();
      if (step.kind === "open") lab.open(later);
      if (step.kind === "retry") lab.retryInbox(START);
    }
    const waiting = lab.retryInbox(START);
    const live = lab.hash();
    lab.restart();
    return { live, reloaded: lab.hash(), waiting };
  } finally {
    lab.close();
  }
}

function ordered({ first, second }: Plan, adapter: AnyAdapter): string {
  const fold = (events: readonly RandomEvent[]) =>
    refold(emptyFold(adapter.reducer, START), events.map(bound), adapter.reducer).status;
  return stateHash(
    new Map([
      [early.runtimeId, fold(first)],
      [later.runtimeId, fold(second)],
    ]),
  );
}

describe.each([
  ["every event's place counts", tracing, 60],
  ["Claude Code's reducer", registered(claudeAdapter), 40],
] as const)("the journal, where %s", (_name, adapter, numRuns) => {
  it("TC-006 any order, batching, repetition, wait in the inbox and restarts end in the ordered set's state hash", {
    timeout: 60_000 * PATIENCE,
  }, () => {
    holds(
      fc.property(plan, (chosen) => {
        const { live, reloaded, waiting } = run(chosen, adapter);
        const expected = ordered(chosen, adapter);
        withCase("journal-convergence", START, chosen.first.map(bound), () => {
          expect({ live, reloaded, waiting }).toEqual({ live: expected, reloaded: expected, waiting: 0 });
        });
      }),
      numRuns,
    );
  });
});
