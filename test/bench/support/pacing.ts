import { setTimeout as delay } from "node:timers/promises";

/**
 * Calls `work` `perSecond` times a second for `durationMs`, without waiting for it: a slow answer delays nothing that
 * comes after it. Resolves when all of them are done; rejects with the first that fails.
 */
export async function openLoop(
  perSecond: number,
  durationMs: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  const began = performance.now();
  const total = Math.round((perSecond * durationMs) / 1_000);
  const running: Promise<void>[] = [];
  for (let index = 0; index < total; index++) {
    const due = began + (index * 1_000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await delay(early);
    const one = work(index);
    // Awaited below with all others; until then a refusal is nobody's yet.
    one.catch(() => undefined);
    running.push(one);
  }
  await Promise.all(running);
}

/** Repeats `work` one after the other on each of `lanes` until `durationMs` is over; returns calls per second. */
export async function closedLoop(
  lanes: number,
  durationMs: number,
  work: (lane: number) => Promise<void>,
): Promise<number> {
  const began = performance.now();
  const end = began + durationMs;
  let calls = 0;
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      while (performance.now() < end) {
        await work(lane);
        calls += 1;
      }
    }),
  );
  return calls / ((performance.now() - began) / 1_000);
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<void> | void): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
