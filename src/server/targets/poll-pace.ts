/** How far one interval is from the mean at most, as a share of it. */
const SPREAD = 0.15;

/**
 * The time from one poll to the next, in milliseconds: `meanMs` on average, never quite the same. At an even pace, what
 * turns round in a whole fraction of it stands still: Codex's spinner comes round once a second, and would look like what
 * a killed Codex has left. `random` is in [0, 1).
 */
export function pollPace(meanMs: number, random: () => number = Math.random): number {
  return meanMs * (1 + SPREAD * (2 * random() - 1));
}
