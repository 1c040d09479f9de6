import type { Link } from "./link.js";

/** How long a silent host counts as alive. */
export interface Aliveness {
  /** Milliseconds between two looks; the host is asked for a sign of life as often. */
  readonly intervalMs: number;
  /** Looks in a row that may find nothing. */
  readonly countMax: number;
}

/**
 * Tells when nothing has come from the host for too long. Anything counts as a sign of life: on a slow line the answer
 * to a probe may have to wait behind much else. Returns what ends the watch.
 */
export function watchSilence(
  link: Link,
  { intervalMs, countMax }: Aliveness,
  onSilent: (ms: number) => void,
): () => void {
  let silent = 0;
  const onData = (): void => {
    silent = 0;
  };
  // The first look finds the host idle rather than silent: it has just been asked.
  const timer = setInterval(() => {
    if (++silent > countMax) onSilent(silent * intervalMs);
  }, intervalMs);
  timer.unref();
  link.stream.on("data", onData);
  return () => {
    clearInterval(timer);
    link.stream.off("data", onData);
  };
}
