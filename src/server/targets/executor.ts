import type { PaneProcessProof } from "./process-proof.js";

/** Why a tmux command gave no result. `no_server` and `tmux_not_found` are states of a target, not faults. */
export type ExecutorFailure =
  /** There is no tmux binary on that host. */
  | "tmux_not_found"
  /** No answer within the deadline. tmux may still run the command later (a stopped server does on waking). */
  | "timeout"
  /** Nothing listens on the socket, or the server ended while the command ran (it may have been run). */
  | "no_server"
  /** The other side does not speak as expected: tmux of another protocol version, a broken answer. */
  | "protocol"
  /** More output than `maxBytes`, or a longer argument list than tmux takes. */
  | "too_large"
  /** The process that the command is meant for is gone or not in front; nothing was run. */
  | "process_changed"
  /** There is no connection to the host, or it was lost meanwhile (the command may have been run); `cause` tells why. */
  | "unreachable"
  /** Anything else: the process could not be started, was killed, or this executor is closed. */
  | "failed";

export class ExecutorError extends Error {
  override readonly name = "ExecutorError";
  readonly kind: ExecutorFailure;

  constructor(kind: ExecutorFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** What tmux answered. A status other than 0 is tmux refusing the command ("can't find pane: %9"). */
export interface RunResult {
  readonly status: number;
  /** Well-formed; bytes that are no UTF-8 stand as U+FFFD. Everything else is as the panes made it: hostile. */
  readonly stdout: string;
  /** Like stdout; cut after 64 KiB. */
  readonly stderr: string;
}

export interface RunOptions {
  /** Fed to the command's standard input, which is empty without it. */
  readonly stdin?: Uint8Array | undefined;
  /** Outer deadline in milliseconds (5 000). */
  readonly timeoutMs?: number | undefined;
  /** Most bytes of stdout (16 MiB). */
  readonly maxBytes?: number | undefined;
  /** It may travel to its host with what else is asked in the same turn of the event loop; nothing that acts may. */
  readonly gathered?: boolean | undefined;
  /**
   * Only if this process runs and is what the keys of its pane reach (`front` of ssh/remote-shells.ts), looked at right before,
   * without a wait in between; rejects with `process_changed` otherwise.
   */
  readonly process?: PaneProcessProof | undefined;
}

/** A live ear on a tmux server. */
export interface Doorbell {
  /** True once the server's changes ring; false if the doorbell ended before. Never rejects. */
  readonly ready: Promise<boolean>;
  /** Stops listening; neither callback is called afterwards. */
  close(): void;
}

/** Runs tmux of one target. The same contract for the local host and over ssh. */
export interface Executor {
  /**
   * Runs tmux once. `argv` holds tmux arguments without the binary and the socket options; words are taken literally,
   * whatever starts tmux, commands are joined with `sequence` of tmux/argv.ts. Never starts a
   * tmux server. Rejects with ExecutorError; nothing is retried here.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Whether that process runs and is what the keys of its pane reach, now; see RunOptions. Rejects with ExecutorError. */
  inFront(process: PaneProcessProof): Promise<boolean>;
  /**
   * Listens for what the server announces, without attaching. `onRing` gets each notification line, cut at
   * 256 bytes; it says that something changed, not all that changed. `onEnd` is called once when the doorbell
   * has ended by itself (server gone, no server, no answer). Reconnecting is the caller's.
   */
  doorbell(onRing: (line: string) => void, onEnd: (reason: string) => void): Doorbell;
  /** Ends everything that runs; what was in flight rejects as `failed`. May be called again. */
  close(): Promise<void>;
}

export const DEFAULT_TIMEOUT_MS = 5_000;
export const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
export const MAX_STDERR_BYTES = 64 * 1024;

// A refused permission is not "no server": to take it so would end every runtime of a server that lives.
const NO_SERVER =
  /^(?:no server running on |error connecting to .*\((?:No such file or directory|Connection refused)\)|lost server|server exited)/;

export function processChanged(): ExecutorError {
  return new ExecutorError("process_changed", "the process is gone or not in the foreground of its terminal");
}

/** The failure that tmux's own words report, if they report one; else the answer stands as a RunResult. */
export function failureReported(status: number, stderr: string): ExecutorError | undefined {
  if (status === 0) return undefined;
  const line = stderr.split("\n", 1)[0]?.slice(0, 300) ?? "";
  if (NO_SERVER.test(line)) return new ExecutorError("no_server", line);
  if (line.startsWith("protocol version mismatch")) return new ExecutorError("protocol", line);
  if (line.startsWith("error connecting to ")) return new ExecutorError("failed", line);
  return undefined;
}
