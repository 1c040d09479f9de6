import { readFileSync, writeFileSync } from "node:fs";
import { History, type Recorded } from "../client/history.js";

/** Writes a history as JSON lines, one happening a line. */
export function writeHistory(path: string, history: History): void {
  writeFileSync(path, history.records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

/** Reads what `writeHistory` wrote. Throws SyntaxError on a torn file. */
export function readHistory(path: string): History {
  const lines = readFileSync(path, "utf8").split("\n");
  // Sound: writeHistory alone makes these files.
  return new History(lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Recorded));
}
