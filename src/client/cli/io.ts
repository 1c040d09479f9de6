import type { Environment } from "../paths.js";

/** Where a command writes. A terminal has a size; anything else has not. */
export interface Output {
  write(text: string): void;
  /** Resolves once what was written has left, so that a slow reader slows the writer. */
  drained(): Promise<void>;
  readonly isTerminal: boolean;
  /** Size in cells, of a terminal. */
  size(): { readonly columns: number; readonly rows: number };
  /** Calls back when the terminal's size changes; returns what ends that. */
  onResize(callback: () => void): () => void;
}

/** Everything of the world that a command may touch, so that tests can stand in for it. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Asks a question on the terminal and resolves with the line typed. Absent without a terminal. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
  /**
   * Reads standard input to its end. Throws E_INVALID_ARGUMENT, naming `field`, for more than `most` bytes.
   */
  readInput(field: string, most: number): Promise<Uint8Array>;
  /**
   * Runs a program, given word by word, in the user's terminal and resolves with its exit status, or 128 and the number
   * of the signal that ended it. The terminal is left as it was found. Absent without a terminal.
   */
  readonly execute?: ((argv: readonly string[]) => Promise<number>) | undefined;
  readonly env: Environment;
  /** Aborts when the user or the system asks this process to end. */
  readonly signal: AbortSignal;
  now(): Date;
  /** Absolute path of the daemon's program; absent when there is none beside this one. */
  readonly daemonPath?: string | undefined;
}
