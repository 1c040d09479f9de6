import type { StdioOptions } from "node:child_process";

export interface Outcome {
  /** How many tests passed. */
  readonly passed: number;
  /** Each test, suite, file and stray error that failed, as printable lines. */
  readonly failures: readonly string[];
}

export function runTests(
  name: string,
  words: readonly string[],
  options?: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly stdio?: StdioOptions;
  },
): Outcome;
