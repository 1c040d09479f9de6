import type { Process } from "../adapters/contract.js";

/** Names one process of a host for as long as it lives. */
export interface ProcessProof {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, as it stands. */
  readonly startRaw: string;
}

/** Names the process that keys sent to a pane are meant for. */
export interface PaneProcessProof extends ProcessProof {
  /** The pane's first process; its terminal is the pane's. */
  readonly panePid: number;
}

/** Most processes between one in a pane and the pane's first. */
const MAX_DEPTH = 64;

/**
 * Whether a process is the one named, runs, and is in the foreground of its terminal: what is typed there is for it. Where
 * its terminal lies within the pane's (of `script` or `sudo`), so must be the programs that hold those around it.
 */
export function isInFront(
  find: (pid: number) => Process | undefined,
  { pid, startRaw, panePid }: PaneProcessProof,
): boolean {
  let process = find(pid);
  if (process?.startRaw !== startRaw) return false;
  const terminal = pid === panePid ? process.tty : find(panePid)?.tty;
  let inner = 0;
  for (let depth = 0; depth < MAX_DEPTH && process !== undefined; depth++) {
    if (depth === 0 || (process.tty !== inner && process.tty !== 0)) {
      if (!leads(process)) return false;
      if (process.tty === terminal) return true;
      inner = process.tty;
    }
    process = find(process.ppid);
  }
  return false;
}

function leads({ state, pgid, tpgid }: Process): boolean {
  return /^[RSD]$/u.test(state) && pgid === tpgid;
}
