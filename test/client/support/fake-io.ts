import type { Io, Output } from "../../../src/client/cli/io.js";
import { usageError } from "../../../src/client/errors.js";

export interface FakeOutput extends Output {
  text(): string;
  resize(columns: number, rows: number): void;
}

function fakeOutput(isTerminal: boolean, columns: number, rows: number): FakeOutput {
  const written: string[] = [];
  const callbacks = new Set<() => void>();
  let size = { columns, rows };
  return {
    isTerminal,
    write: (text) => {
      written.push(text);
    },
    drained: () => Promise.resolve(),
    size: () => size,
    onResize: (callback) => {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    text: () => written.join(""),
    resize: (newColumns, newRows) => {
      size = { columns: newColumns, rows: newRows };
      for (const callback of callbacks) callback();
    },
  };
}

export interface FakeIo extends Io {
  readonly stdout: FakeOutput;
  readonly stderr: FakeOutput;
  /** As Ctrl-C. */
  interrupt(): void;
}

export interface FakeIoOptions {
  readonly env?: Record<string, string>;
  /** Makes stdout a terminal of so many columns. */
  readonly columns?: number;
  readonly rows?: number;
  readonly now?: Date;
  readonly ask?: (question: string) => Promise<string>;
  readonly daemonPath?: string;
  /** What stands on standard input. */
  readonly input?: string | Uint8Array;
  readonly execute?: (argv: readonly string[]) => Promise<number>;
}

export const NOW = new Date("2026-03-01T12:00:00.000Z");

export function fakeIo(options: FakeIoOptions = {}): FakeIo {
  const controller = new AbortController();
  const isTerminal = options.columns !== undefined;
  return {
    stdout: fakeOutput(isTerminal, options.columns ?? 80, options.rows ?? 24),
    stderr: fakeOutput(false, 80, 24),
    ask: options.ask,
    readInput: async (field, most) => {
      const bytes = Buffer.from(options.input ?? "");
      if (bytes.length > most) throw usageError(field, "too long");
      return bytes;
    },
    execute: options.execute,
    env: { HOME: "/home/u", AGTMUX_NO_START: "1", ...options.env },
    signal: controller.signal,
    now: () => options.now ?? NOW,
    daemonPath: options.daemonPath,
    interrupt: () => controller.abort(),
  };
}

/** Polls until `check` gives something other than undefined or false; fails after `ms`. */
export async function eventually<T>(check: () => T | undefined | false, ms = 5_000): Promise<T> {
  const until = performance.now() + ms;
  for (;;) {
    const value = check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() >= until) throw new Error(`not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
