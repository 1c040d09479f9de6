const FIRST_MS = 100;
const MAX_MS = 4_000;
const JITTER = 0.2;

/** Pause before attempt `attempt` (1 is the first repeat), in milliseconds: doubling, ± 20 %, at most 4.8 s. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const base = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 16));
  return base * (1 - JITTER + 2 * JITTER * random());
}

/** Resolves after `ms` milliseconds, or as soon as `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
