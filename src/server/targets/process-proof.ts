import type { Process } from "../adapters/contract.js";

/** Names one process of a host for as long as it lives. */
export interface ProcessProof {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, as it stands. */
  readonly startRaw: string;
}

/** Whether a process is the one named, runs, and is in the foreground of its terminal: what is typed there is for it. */
export function isInFront(process: Process | undefined, proof: ProcessProof): boolean {
  return (
    process !== undefined &&
    process.pid === proof.pid &&
    process.startRaw === proof.startRaw &&
    /^[RSD]$/u.test(process.state) &&
    process.pgid === process.tpgid
  );
}
