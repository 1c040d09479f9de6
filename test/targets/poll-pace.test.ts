import { describe, expect, it } from "vitest";
import { pollPace } from "../../src/server/targets/poll-pace.js";
import { Random } from "../actions/support/random.js";
import { SEED } from "../support/property.js";

const SPINNER_FRAMES = 10;

/** What a spinner of that period shows at each of a thousand polls, a second apart on average. */
function frames(periodMs: number): number[] {
  const random = new Random(SEED);
  const seen: number[] = [];
  let at = 0;
  for (let poll = 0; poll < 1_000; poll++) {
    at += pollPace(1_000, () => random.next());
    seen.push(Math.floor(((at % periodMs) / periodMs) * SPINNER_FRAMES));
  }
  return seen;
}

describe("the pace of polls", () => {
  it.each([1_000, 500, 333, 250, 100])("does not see a spinner of %i ms stand still", (periodMs) => {
    const seen = frames(periodMs);
    const moved = seen.filter((frame, poll) => poll > 0 && frame !== seen[poll - 1]).length;
    expect(moved).toBeGreaterThan(600);
    // Never for long, either: three seconds are what a moving mark is told again after.
    const still = seen.map((frame, poll) => seen.slice(poll, poll + 8).every((each) => each === frame));
    expect(still.slice(0, -8)).not.toContain(true);
  });

  it("is the mean on average, and never far from it", () => {
    const random = new Random(SEED);
    const waits = Array.from({ length: 1_000 }, () => pollPace(1_000, () => random.next()));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(850);
    expect(Math.max(...waits)).toBeLessThan(1_150);
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    expect(Math.abs(mean - 1_000)).toBeLessThan(20);
  });
});
