import type { Micros, Status } from "./state.js";

/** Microseconds; see config.ts for the defaults. */
export interface Lifetimes {
  /** How long `running` stands without a sign of life. */
  readonly runningTtl: Micros;
  /** How long `completed` stands before it is demoted to idle. */
  readonly completedTtl: Micros;
}

export type Due = { readonly kind: "stale" | "demotion"; readonly at: Micros };

/**
 * What the reconciler has to emit for a status, and when. `lastSign` is the effective time of the runtime's newest
 * sign of life. Undefined: nothing will fall due until something happens.
 */
export function nextDue(status: Status, lastSign: Micros, lifetimes: Lifetimes): Due | undefined {
  if (status.state === "completed") return { kind: "demotion", at: status.at + lifetimes.completedTtl };
  if (status.state === "running") {
    return { kind: "stale", at: Math.max(status.at, lastSign) + lifetimes.runningTtl };
  }
  return undefined;
}
