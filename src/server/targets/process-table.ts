import type { PaneProcesses, Process } from "../adapters/contract.js";

/** The host has no process table that can be read; lasting, and no failure of the target. */
export class HostUnsupported extends Error {
  override readonly name = "HostUnsupported";
}

/**
 * The processes of one host. A process is the same while boot, pid and raw start value are. Methods throw (or
 * reject) when the table cannot be read at all; that says nothing about any process.
 */
export interface ProcessTable {
  /** Identity of the host's boot. */
  boot(): string;
  /**
   * The processes on each pane's terminal and the descendants of its first process, by that process's pid; none
   * for a pane whose first process is gone. Leave dead panes out: their pid may be anybody's. One look at the
   * whole table per call, so ask for all panes at once.
   */
  paneProcesses(panes: readonly { readonly panePid: number }[]): Promise<Map<number, PaneProcesses>>;
  /** One process as it is now; undefined when it is gone. */
  find(pid: number): Process | undefined;
  /** Whether that process still runs; a zombie does not. */
  alive(pid: number, startRaw: string): boolean;
  /** Its one-letter state (T: stopped, Z: zombie); undefined when it is gone or the pid is another's. */
  state(pid: number, startRaw: string): string | undefined;
  /** When it started, in nanoseconds since the epoch; good to 10 ms, and the same for this daemon's life. */
  startedAtNs(process: Process): bigint;
  /** Gives back what it keeps open. */
  close(): void;
}
