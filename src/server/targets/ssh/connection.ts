import type { Duplex } from "node:stream";
import type { SFTPWrapper } from "ssh2";
import type { SshError } from "./ssh-error.js";

export { SshError, type SshFailure } from "./ssh-error.js";

/** One open channel: a remote command or a stream-local socket. Byte streams; closing is idempotent. */
export interface SshChannel {
  /** Must be read, and so must stderr: both share one window, and a full one stops the command. */
  readonly stdout: AsyncIterable<Buffer> & NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  /** False when the other side does not keep up; `stdout`, a duplex underneath, emits `drain` afterwards. */
  write(chunk: Uint8Array | string): boolean;
  end(): void;
  /** Does not wait for the host, where the command may go on until its input or output is missed. */
  close(): void;
  /**
   * Resolves when the command is over and its stdout was read to the end, when the channel was closed here, or when the
   * connection is over. Never rejects; both undefined if the host has told nothing by then.
   */
  readonly closed: Promise<{ readonly status: number | undefined; readonly signal: string | undefined }>;
}

export interface SshConnection {
  /** Runs one constant command (never user text). Rejects with SshError. */
  exec(command: string, options?: { readonly timeoutMs?: number }): Promise<SshChannel>;
  sftp(): Promise<SFTPWrapper>;
  /** Connects to a Unix socket of the host. Rejects with SshError, kind "forwarding_refused" too when nothing listens there. */
  forwardOut(remotePath: string): Promise<Duplex>;
  /** Has the server listen on a Unix socket and hand its connections over; rejects with SshError kind "forwarding_refused". */
  forwardIn(remotePath: string, accept: (stream: Duplex) => void): Promise<{ close(): Promise<void> }>;
  /** Resolves once, when the connection is over, with why. */
  readonly closed: Promise<SshError>;
  close(): void;
}

export interface OpenOptions {
  /** Trust a target of which no host key is known, and write its key down. Jump hosts must be known all the same. */
  readonly acceptNewHostKey?: boolean | undefined;
}

export interface SshOpener {
  /** Rejects with SshError; what was begun is undone by then. `signal` gives up. */
  open(alias: string, signal: AbortSignal, options?: OpenOptions): Promise<SshConnection>;
}
