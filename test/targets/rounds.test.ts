import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Rounds } from "../../src/server/targets/rounds.js";

const INTERVAL_MS = 1_000;
const LEAST_MS = 60;

describe("a target's rounds", () => {
  /** When each round began, in milliseconds. */
  let begun: number[];
  let reached: boolean;
  let takesMs: number;
  let rounds: Rounds;
  const now = (): number => performance.now();
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    vi.useFakeTimers({ now: 0, toFake: ["setTimeout", "clearTimeout", "performance"] });
    begun = [];
    reached = true;
    takesMs = 100;
    rounds = new Rounds({
      mayBegin: () => reached,
      observe: () => {
        begun.push(now());
        return new Promise((resolve) => setTimeout(resolve, takesMs));
      },
      intervalMs: () => INTERVAL_MS,
      leastMs: LEAST_MS,
    });
  });
  afterEach(async () => {
    const stopped = rounds.stop();
    await pass(takesMs);
    await stopped;
    vi.useRealTimers();
  });

  it("come at their interval, from beginning to beginning, with a rest where a round takes longer", async () => {
    rounds.kick(0);
    await pass(2_500);
    expect(begun).toEqual([0, 1_000, 2_000]);
    takesMs = 1_500;
    await pass(3_000);
    expect(begun.slice(3)).toEqual([3_000, 4_560]);
  });

  it("are one more for all that rings while one runs", async () => {
    rounds.kick(0);
    await pass(10);
    rounds.kick(0);
    rounds.kick(500);
    rounds.again();
    await pass(900);
    expect(begun).toEqual([0, 160]);
  });

  it("that are asked for now begin after the one that runs, and are waited for", async () => {
    rounds.kick(0);
    await pass(10);
    let over = Number.NaN;
    void rounds.now().then(() => {
      over = now();
    });
    await pass(500);
    expect([begun, over]).toEqual([[0, 100], 200]);
  });

  it("do not begin where nothing is reached, nor after they are paused, until they are kicked again", async () => {
    reached = false;
    rounds.kick(0);
    await rounds.now();
    await pass(5_000);
    expect(begun).toEqual([]);
    reached = true;
    rounds.kick(0);
    await pass(500);
    rounds.pause();
    await pass(5_000);
    expect(begun).toEqual([5_000]);
    rounds.kick(0);
    await pass(500);
    expect(begun).toHaveLength(2);
  });

  it("are over when they are stopped, the one that runs included", async () => {
    rounds.kick(0);
    await pass(50);
    let over = Number.NaN;
    void rounds.stop().then(() => {
      over = now();
    });
    rounds.kick(0);
    await pass(5_000);
    expect([begun, over]).toEqual([[0], 100]);
    await rounds.now();
    expect(begun).toEqual([0]);
  });
});
