import type { Micros } from "../engine/state.js";
import type { TargetRecord } from "../store/target-store.js";
import type { Executor } from "./executor.js";
import type { AgentFiles, ProcessTable } from "./local-host.js";
import type { ProcessProof } from "./process-proof.js";
import type { HookPlace } from "./ssh/remote-hooks.js";
import type { ConnectOptions, LinkEvents } from "./ssh/ssh-link.js";

/** A connection that may be lost, and that cares for itself. */
export interface TargetLink {
  readonly up: boolean;
  /** Begins to connect; the events come until the host is closed. */
  start(events: LinkEvents, options?: ConnectOptions): void;
  /** Makes an attempt now; resolves when it has ended either way. */
  connect(): Promise<void>;
  /** Finds out whether the connection still stands, and does not wait to reconnect. */
  hurry(): Promise<void>;
}

/** How a process may be asked to end. */
export type ProcessSignal = "INT" | "TERM" | "KILL";

/** All that a monitor uses of the host its target is on. */
export interface TargetHost {
  readonly executor: Executor;
  readonly processes: ProcessTable;
  readonly files: AgentFiles;
  /**
   * Signals a process if it is the one named, looked at right before. False: it is gone, or the pid is another's.
   * Rejects with ExecutorError.
   */
  signal(process: ProcessProof, signal: ProcessSignal): Promise<boolean>;
  /** The panes are about to be read: what will be asked beside them may be asked with them. */
  roundBegins?(): void;
  /** What the host's clock is ahead of the daemon's, in microseconds. */
  clockOffset(): Micros;
  /** Absent for this host. While it is not up, nothing else here works. */
  readonly link?: TargetLink | undefined;
  /** Why its hooks' events come by the spool alone, as one line; undefined if they need not. */
  readonly spoolOnly?: string | undefined;
  /** Where its hooks are; the caller closes it. Rejects with ExecutorError or SshError. Absent for this host. */
  openHooks?(): Promise<HookPlace>;
  /** Takes away from the host what this target had there; before `close`, when the target is given up. Never rejects. */
  retire?(): Promise<void>;
  /** Ends everything that belongs to this target alone; what was in flight rejects. */
  close(): Promise<void>;
}

/** Makes the host of a target. Throws nothing; a host that cannot be reached says so later. */
export type HostOf = (target: TargetRecord) => TargetHost;
