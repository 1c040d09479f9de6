import type { Micros } from "../engine/state.js";

export type HealthState = "connecting" | "ok" | "degraded" | "down";

export interface HealthSettings {
  readonly downAfterFailures: number;
  readonly downWindowMs: number;
  readonly upAfterProbes: number;
}

/** Health of one target: what has been tried, and what follows from it. */
export interface Health {
  readonly state: HealthState;
  /** Why it is not ok; for ok, `no_server` when no tmux server runs. */
  readonly reason: string;
  /** The same in one line for a person, with what to do about it; '' if there is nothing to say. */
  readonly message: string;
  /** Times of the consecutive failures since the last success. */
  readonly failures: readonly Micros[];
  /** Consecutive good probes since the last failure. */
  readonly goodProbes: number;
  readonly lastOkAt?: Micros | undefined;
}

export const INITIAL_HEALTH: Health = {
  state: "connecting",
  reason: "",
  message: "",
  failures: [],
  goodProbes: 0,
};

export interface Failure {
  readonly message?: string | undefined;
  /** No further attempt comes by itself, or none has succeeded for the whole window: down, however few there were. */
  readonly final?: boolean | undefined;
}

/**
 * One failed attempt, lost connection or failed reconnect: ok → degraded on the first, degraded → down on enough
 * consecutive ones within the window.
 */
export function failed(
  health: Health,
  reason: string,
  now: Micros,
  settings: HealthSettings,
  { message = "", final = false }: Failure = {},
): Health {
  const window = now - settings.downWindowMs * 1_000;
  const failures = [...health.failures.filter((at) => at >= window), now];
  const down = final || health.state === "down" || failures.length >= settings.downAfterFailures;
  return { ...health, state: down ? "down" : "degraded", reason, message, failures, goodProbes: 0 };
}

/**
 * One probe that read a complete topology. `reason` is a lasting shortcoming that is no failure (no tmux binary): it
 * keeps the target degraded; `no_server` is none.
 */
export function succeeded(
  health: Health,
  reason: string,
  now: Micros,
  settings: HealthSettings,
  message = "",
): Health {
  const goodProbes = health.goodProbes + 1;
  const proven =
    health.state === "connecting" || health.state === "ok" || goodProbes >= settings.upAfterProbes;
  const shortcoming = reason !== "" && reason !== "no_server";
  if (proven) {
    return {
      state: shortcoming ? "degraded" : "ok",
      reason,
      message,
      failures: [],
      goodProbes,
      lastOkAt: now,
    };
  }
  return { ...health, state: "degraded", failures: [], goodProbes, lastOkAt: now };
}
