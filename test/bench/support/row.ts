import type { Resources } from "./resources.js";
import type { Summary } from "./statistics.js";

/** What the command line asks for. */
export interface BenchOptions {
  /** The long memory row: a million events instead of a hundred thousand. */
  readonly long: boolean;
}

/** What a row is given: everything it opens through `resources` is closed after it, whatever happens. */
export interface RowContext {
  readonly options: BenchOptions;
  readonly resources: Resources;
}

export type Unit = "/s" | "ms" | "MB" | "%" | "×";

export interface Budget {
  readonly kind: "at most" | "at least";
  readonly value: number;
}

/** The same work, as bare as it can be done on this machine, measured in the same run. */
export interface Baseline {
  readonly what: string;
  readonly value: number;
  readonly unit: Unit;
}

/** One measured number. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: Unit;
  /** Absent: measured beside the others, nothing is promised of it. */
  readonly budget?: Budget;
  readonly baseline?: Baseline;
  /** What the value was taken from, in the value's unit unless `facts` says otherwise. */
  readonly samples?: Summary;
  /** The values in their order, where the order is the point. */
  readonly series?: readonly number[];
  readonly facts?: Readonly<Record<string, number | string>>;
}

/** One budget of docs/spec.md section 14, or two that are measured together. */
export interface Row {
  readonly name: string;
  /** Outer deadline, in milliseconds. */
  readonly deadlineMs: (options: BenchOptions) => number;
  readonly run: (context: RowContext) => Promise<readonly Figure[]>;
}

export function isMet({ value, budget }: Figure): boolean {
  if (budget === undefined) return true;
  return budget.kind === "at most" ? value <= budget.value : value >= budget.value;
}
