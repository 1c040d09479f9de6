import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clock } from "../../src/server/clock.js";
import { holds } from "../support/property.js";

const NOON = 1_800_000_000_000_000;
const SECOND = 1_000_000;
const HOUR = 3_600 * SECOND;

class Machine {
  wall = NOON;
  monotonic = 500;

  /** Time passes; the wall clock may be set meanwhile. */
  pass(micros: number, set = 0): void {
    this.monotonic += micros;
    this.wall += micros + set;
  }

  clock(floor?: number): Clock {
    return new Clock({ wall: () => this.wall, monotonic: () => this.monotonic }, floor);
  }
}

describe("the daemon's clock", () => {
  it("follows the wall clock, also when it leaps forward", () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.pass(3 * SECOND);
    expect(clock.now()).toBe(machine.wall);
    machine.pass(SECOND, 8 * HOUR);
    expect(clock.now()).toBe(machine.wall);
    expect(clock.lead()).toBeUndefined();
  });

  it("goes on when the wall clock is set back, says so, and is caught up with", () => {
    const machine = new Machine();
    const clock = machine.clock();
    machine.pass(SECOND, -60 * SECOND);
    expect(clock.now()).toBe(NOON + 0.9 * SECOND);
    const lead = clock.lead();
    expect(lead?.by).toBeCloseTo(59.9 * SECOND, -3);
    machine.pass(300 * SECOND);
    expect(clock.lead()?.by).toBeCloseTo(29.9 * SECOND, -3);
    expect(clock.lead()?.since).toBe(lead?.since);
    for (let second = 0; second < 400; second += 1) {
      machine.pass(SECOND);
      clock.now();
    }
    expect(clock.lead()).toBeUndefined();
    expect(Math.abs(clock.now() - machine.wall)).toBeLessThanOrEqual(100_000);
  });

  it("begins no earlier than what an earlier life has stored", () => {
    const machine = new Machine();
    const clock = machine.clock(NOON + HOUR);
    expect(clock.now()).toBe(NOON + HOUR);
    machine.pass(SECOND);
    expect(clock.lead()?.by).toBeGreaterThan(HOUR - SECOND);
  });

  it("never goes back, whatever is done to the wall clock", () => {
    const steps = fc.array(
      fc.tuple(fc.nat({ max: 100 * SECOND }), fc.integer({ min: -2 * HOUR, max: 2 * HOUR })),
      { maxLength: 40 },
    );
    holds(
      fc.property(steps, (passes) => {
        const machine = new Machine();
        const clock = machine.clock();
        let last = clock.now();
        for (const [micros, set] of passes) {
          machine.pass(micros, set);
          const now = clock.now();
          expect(now).toBeGreaterThanOrEqual(last);
          expect(now).toBeGreaterThanOrEqual(machine.wall - 5_000);
          last = now;
        }
      }),
      500,
    );
  });

  it("is not steady for a while after a leap of over an hour, nor after a start that finds one", () => {
    const machine = new Machine();
    const clock = machine.clock();
    expect(clock.steadyFor()).toBe(Number.POSITIVE_INFINITY);
    machine.pass(SECOND, 2 * HOUR);
    expect(clock.steadyFor()).toBe(0);
    machine.pass(HOUR);
    expect(clock.steadyFor()).toBe(HOUR);
    expect(machine.clock(machine.wall - 2 * HOUR).steadyFor()).toBe(0);
    expect(machine.clock(machine.wall - HOUR / 2).steadyFor()).toBe(Number.POSITIVE_INFINITY);
  });
});
