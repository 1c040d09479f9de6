import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const POLL_MS = 50;
const run = promisify(execFile);

export interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  /** The command line, as `ps` joins it. */
  readonly args: string;
}

/** The process and everything below it, parents first. */
export async function processTree(rootPid: number): Promise<readonly ProcessRow[]> {
  const rows = await listProcesses();
  const tree = rows.filter((row) => row.pid === rootPid);
  for (const parent of tree) tree.push(...rows.filter((row) => row.parentPid === parent.pid));
  return tree;
}

/** The command line of a live process, or undefined when there is none; a zombie counts as gone. */
export async function processArgs(pid: number): Promise<string | undefined> {
  return (await listProcesses()).find((row) => row.pid === pid)?.args;
}

/** True when no live process has this id any more within the given time. */
export async function endsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while ((await processArgs(pid)) !== undefined) {
    if (Date.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

async function listProcesses(): Promise<readonly ProcessRow[]> {
  const { stdout } = await run("ps", ["-A", "-ww", "-o", "pid=,ppid=,stat=,args="]);
  return stdout.split("\n").flatMap(parseRow);
}

function parseRow(line: string): readonly ProcessRow[] {
  const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
  if (match === null || match[3]?.startsWith("Z") === true) return [];
  return [{ pid: Number(match[1]), parentPid: Number(match[2]), args: match[4] ?? "" }];
}
