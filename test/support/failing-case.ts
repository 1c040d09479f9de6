import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BoundEvent } from "../../src/server/engine/event.js";
import { eventLine, HEADER, runtimeLine } from "../../src/server/replay/event-log.js";

const FOLDER = join("test-results", "cases");

/**
 * Runs a check over one runtime's events, in the order of their delivery. When it fails they are kept as an event log
 * for `agtmuxd replay`; while a property is shrunk, the last one written is the smallest.
 */
export function withCase(
  name: string,
  startedAt: number,
  events: readonly BoundEvent[],
  check: () => void,
): void {
  try {
    check();
  } catch (error) {
    mkdirSync(FOLDER, { recursive: true });
    const file = join(FOLDER, `${name}.jsonl`);
    const runtime = runtimeLine({ runtimeId: "case", agentType: "claude", startedAt });
    const lines = events.map((event) => eventLine({ ...event, runtimeId: "case" }));
    writeFileSync(file, [JSON.stringify(HEADER), runtime, ...lines, ""].join("\n"));
    throw new Error(`agtmuxd replay ${file} folds this case`, { cause: error });
  }
}
