import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { History } from "../client/history.js";
import { validateAll } from "../validate/all.js";
import { readHistory, writeHistory } from "./history-file.js";
import { readStored } from "./stored.js";

const KEPT = join(import.meta.dirname, "..", "..", "..", "test-results", "robustness");

/** Names of the events that lie in a state directory's spool. */
export function spooledNames(stateDir: string): Set<string> {
  const folder = join(stateDir, "spool.d", "local");
  return new Set(existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : []);
}

/**
 * Keeps what a red scenario leaves: the history, the breaches, and the state directory's database, log and spool. To be
 * called when its daemons are gone. Returns the folder, which `revalidate` judges again.
 */
export function keepReport(
  name: string,
  history: History,
  stateDir: string,
  breaches: readonly string[],
  under = KEPT,
): string {
  const folder = join(under, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeHistory(join(folder, "history.jsonl"), history);
  writeFileSync(join(folder, "breaches.txt"), breaches.map((line) => `${line}\n`).join(""));
  for (const part of ["agtmux.db", "agtmux.db-wal", "agtmux.db-shm", "log", "spool.d"]) {
    const from = join(stateDir, part);
    if (existsSync(from)) cpSync(from, join(folder, part), { recursive: true });
  }
  return folder;
}

/** Judges a kept report anew, with today's validators. */
export function revalidate(folder: string): string[] {
  const history = readHistory(join(folder, "history.jsonl"));
  const stored = readStored(join(folder, "agtmux.db"), true);
  return validateAll(history, stored, { spool: spooledNames(folder) });
}
