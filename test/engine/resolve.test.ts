import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Judged, resolve } from "../../src/server/engine/resolve.js";
import {
  type AgentState,
  type Candidate,
  type Confidence,
  compareConfidence,
  comparePrecedence,
  needsAction,
  PRECEDENCE,
} from "../../src/server/engine/state.js";
import { holds } from "../support/property.js";

function candidate(state: AgentState, confidence: Confidence, at: number, channel = "c"): Candidate {
  return { source: "native", channel, state, reason: "r", confidence, at, eventId: `${channel}${at}` };
}

function winner(...candidates: Candidate[]): string | undefined {
  return resolve(candidates).find(({ decisive }) => decisive)?.candidate.state;
}

describe("resolution", () => {
  it.each<[string, Candidate[], AgentState | undefined]>([
    ["nothing, of nothing", [], undefined],
    ["the only candidate, however weak", [candidate("idle", "low", 1)], "idle"],
    [
      "the later of equally reliable ones, against precedence",
      [candidate("error", "high", 1), candidate("idle", "high", 2)],
      "idle",
    ],
    [
      "the later and more reliable one",
      [candidate("running", "medium", 1), candidate("idle", "high", 2)],
      "idle",
    ],
    [
      "the more reliable one against a later guess of lower precedence",
      [candidate("waiting_approval", "high", 1), candidate("running", "medium", 2)],
      "waiting_approval",
    ],
    [
      "the higher precedence among those that stand",
      [candidate("running", "high", 1), candidate("waiting_approval", "medium", 2)],
      "waiting_approval",
    ],
    [
      "the higher precedence at the same instant",
      [candidate("running", "high", 5), candidate("error", "high", 5)],
      "error",
    ],
  ])("chooses %s", (_name, candidates, expected) => {
    expect(winner(...candidates)).toBe(expected);
    expect(winner(...[...candidates].reverse())).toBe(expected);
  });

  it("says of every candidate why it won or lost", () => {
    const judged = resolve([candidate("running", "high", 1, "a"), candidate("idle", "high", 2, "b")]);
    expect(judged.map(({ verdict }) => verdict)).toEqual([
      "decides: nothing later is as reliable",
      "superseded by native/b, later and at least as reliable",
    ]);
  });

  it("has the precedence of the contract, and says which states need action", () => {
    expect(PRECEDENCE.join(" > ")).toBe(
      "error > waiting_approval > waiting_input > running > completed > idle > unknown",
    );
    expect(PRECEDENCE.filter(needsAction)).toEqual(["error", "waiting_approval", "waiting_input"]);
  });

  const some = fc.uniqueArray(
    fc.record({
      source: fc.constant("native" as const),
      channel: fc.constantFrom("a", "b", "c", "d"),
      state: fc.constantFrom(...PRECEDENCE),
      reason: fc.constant("r"),
      confidence: fc.constantFrom<Confidence>("high", "medium", "low"),
      at: fc.nat({ max: 3 }),
      eventId: fc.uuid(),
    }),
    { minLength: 1, maxLength: 5, selector: ({ eventId }) => eventId },
  );

  it("does not depend on the order of the candidates, decides exactly once, and keeps all of them", () => {
    const permuted = some.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    const decided = (judged: Judged[]): string[] =>
      judged.filter(({ decisive }) => decisive).map(({ candidate: { eventId } }) => eventId);
    holds(
      fc.property(permuted, ([all, shuffled]) => {
        const judged = resolve(all);
        expect(decided(judged)).toHaveLength(1);
        expect(decided(resolve(shuffled))).toEqual(decided(judged));
        expect(judged).toHaveLength(all.length);
        expect(judged[0]?.decisive).toBe(true);
      }),
      500,
    );
  });

  it("never lets one win that a later, at least as reliable one contradicts, nor one that precedence outranks", () => {
    holds(
      fc.property(some, (all) => {
        const [won] = resolve(all);
        if (won === undefined) throw new Error("somebody wins");
        const stands = (one: Candidate): boolean =>
          !all.some((other) => other.at > one.at && compareConfidence(other.confidence, one.confidence) >= 0);
        expect(stands(won.candidate)).toBe(true);
        for (const other of all.filter(stands)) {
          expect(comparePrecedence(won.candidate.state, other.state)).toBeLessThanOrEqual(0);
        }
      }),
      500,
    );
  });
});
