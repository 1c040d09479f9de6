import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 30;

export interface WaitOptions {
  readonly timeoutMs: number;
  /** What was waited for, for the error. */
  readonly what: string;
  /** Evaluated only on a timeout, to show what was there instead. */
  readonly lastSeen?: () => string;
}

/**
 * Polls `probe` until it returns something other than undefined.
 * @throws when the deadline passes; the error names what was waited for and what was seen last.
 */
export async function waitUntil<T>(probe: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (Date.now() >= deadline) throw timeoutError(options);
    await sleep(POLL_MS);
  }
}

function timeoutError(options: WaitOptions): Error {
  const seen = options.lastSeen === undefined ? "" : `\n--- last seen ---\n${options.lastSeen()}`;
  return new Error(`timed out after ${options.timeoutMs} ms waiting for ${options.what}${seen}`);
}
