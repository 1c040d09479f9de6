/** An open channel to a program, as byte streams; closing is idempotent. */
export interface ShellChannel {
  /** Must be read, and so must stderr: they may share one window, and a full one stops the program. */
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  /** False when the other side does not keep up. */
  write(chunk: Uint8Array | string): boolean;
  /** Does not wait for the program, which may go on until its input or output is missed. */
  close(): void;
  /**
   * Resolves when the program is over and its stdout was read to the end, or when the channel was closed. Never rejects;
   * both undefined if nothing is known by then.
   */
  readonly closed: Promise<{ readonly status: number | undefined; readonly signal: string | undefined }>;
}

/** Where shells come from, and how they are spoken to. */
export interface ShellHost {
  /** What each shell is told first. */
  readonly prologue: string;
  /** A task that does nothing: a shell that answers it is there. */
  readonly ready: string;
  /**
   * A task as it is given to a shell, which answers it on stdout with `<marker>{`, what the task prints, `<marker>}`, its
   * status and a newline, and, if it is not `gathered` (see ShellOptions), on stderr alike without the status. `halves` are those
   * of the marker, with a blank between.
   */
  ask(halves: string, task: string | Uint8Array, gathered: boolean): Uint8Array;
  /** Opens one more. Rejects with ExecutorError. */
  open(): Promise<ShellChannel>;
}
