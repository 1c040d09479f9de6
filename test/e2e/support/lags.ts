import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "..", "..", "test-results");

interface Lag {
  readonly suite: string;
  readonly step: string;
  /** Milliseconds from the key or signal to the watcher. */
  readonly fromAction: number;
  /** Milliseconds from the agent's own screen to the watcher; negative: the watcher knew first. */
  readonly fromScreen?: number | undefined;
}

const lags: Lag[] = [];

export function noteLag(lag: Lag): void {
  lags.push(lag);
  mkdirSync(FOLDER, { recursive: true });
  appendFileSync(join(FOLDER, "e2e-lags.jsonl"), `${JSON.stringify(lag)}\n`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Prints each step's lag and the medians; figures, not assertions. */
export function printLags(suite: string): void {
  const own = lags.filter((lag) => lag.suite === suite);
  for (const { step, fromAction, fromScreen } of own) {
    const screen = fromScreen === undefined ? "" : `, ${fromScreen} ms after its screen`;
    console.log(`${suite}: ${step}: seen ${fromAction} ms after the key${screen}`);
  }
  const screens = own.flatMap(({ fromScreen }) => (fromScreen === undefined ? [] : [fromScreen]));
  if (own.length === 0) return;
  console.log(
    `${suite}: median ${median(own.map(({ fromAction }) => fromAction))} ms after the key, ${median(screens)} ms after the screen`,
  );
}
