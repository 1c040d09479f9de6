import { type Figure, isMet, type Unit } from "./support/row.js";

const COLUMNS = ["", "measured", "budget", "", "baseline"] as const;

/** What became of one row; `error` if it could not be measured. */
export interface RowResult {
  readonly row: string;
  readonly figures: readonly Figure[];
  readonly seconds: number;
  readonly error?: string;
}

function shown(value: number, unit: Unit): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`;
}

function cells(figure: Figure): readonly string[] {
  const { name, value, unit, budget, baseline } = figure;
  const limit =
    budget === undefined ? "–" : `${budget.kind === "at most" ? "≤" : "≥"} ${budget.value} ${unit}`;
  const verdict = budget === undefined ? "" : isMet(figure) ? "ok" : "over";
  const beside = baseline === undefined ? "" : `${shown(baseline.value, baseline.unit)}, ${baseline.what}`;
  return [name, shown(value, unit), limit, verdict, beside];
}

/** One line a figure, in columns. */
export function table(results: readonly RowResult[]): string {
  const lines = [
    COLUMNS,
    ...results.flatMap(({ row, figures, error }) =>
      error === undefined ? figures.map(cells) : [[row, "failed", "", "", error]],
    ),
  ];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const padded = lines.map((line) => line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  "));
  return padded.map((line) => line.trimEnd()).join("\n");
}

export function countOver(results: readonly RowResult[]): number {
  return results.flatMap(({ figures }) => figures).filter((figure) => !isMet(figure)).length;
}
