import type { Micros } from "./engine/state.js";

/** The monotonic clock is set by the wall clock when they have parted by more than this. */
const TOLERANCE: Micros = 5_000;
/** A wall clock that leaps forward by more has been set, or the machine slept. */
const LEAP: Micros = 3_600_000_000;
/** Two clocks of one machine do not differ by this much by themselves. */
const AHEAD: Micros = 2_000_000;

export interface ClockSources {
  /** Time of day, microseconds since the epoch. */
  readonly wall: () => Micros;
  /** Microseconds since some fixed moment; never goes back. */
  readonly monotonic: () => Micros;
}

/**
 * The daemon's time. Events are ordered by when they were accepted, so it never goes back, nor behind what an earlier
 * daemon life has stored: when the wall clock is set back, it runs a tenth slower until the wall has caught up, and
 * `lead` says by how much it leads.
 */
export class Clock {
  #reading: Micros;
  #monotonic: Micros;
  #steadySince: Micros;
  #aheadSince: Micros | undefined;

  /** `floor`: the newest time that is stored, if anything is. */
  constructor(
    private readonly sources: ClockSources,
    floor: Micros = 0,
  ) {
    const wall = sources.wall();
    this.#reading = Math.max(wall, floor);
    this.#monotonic = sources.monotonic();
    this.#steadySince = floor > 0 && wall - floor > LEAP ? this.#monotonic : Number.NEGATIVE_INFINITY;
  }

  now(): Micros {
    const monotonic = this.sources.monotonic();
    const elapsed = monotonic - this.#monotonic;
    const carried = this.#reading + elapsed;
    const wall = this.sources.wall();
    this.#monotonic = monotonic;
    if (wall - carried > TOLERANCE) {
      if (wall - carried > LEAP) this.#steadySince = monotonic;
      this.#reading = wall;
    } else if (carried - wall > TOLERANCE) this.#reading += elapsed * 0.9;
    else this.#reading = carried;
    this.#aheadSince = this.#reading - wall > AHEAD ? (this.#aheadSince ?? this.#reading) : undefined;
    return Math.floor(this.#reading);
  }

  /** How far it leads a wall clock that was set back, and since when; undefined if the two agree. */
  lead(): { readonly by: Micros; readonly since: Micros } | undefined {
    const now = this.now();
    const since = this.#aheadSince;
    return since === undefined ? undefined : { by: now - this.sources.wall(), since: Math.floor(since) };
  }

  /** How long the wall clock has not leapt forward; infinite if it never has. */
  steadyFor(): Micros {
    this.now();
    return this.#monotonic - this.#steadySince;
  }
}

/** This machine's clocks. */
export const SYSTEM_CLOCKS: ClockSources = {
  wall: () => Date.now() * 1_000,
  monotonic: () => performance.now() * 1_000,
};
