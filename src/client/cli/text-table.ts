import type { Measure } from "./text-width.js";

/** How a piece of text is shown; the plain text when there is no colour. */
export type Style = (text: string) => string;

export interface Cell {
  /** Printable text of one line. */
  readonly text: string;
  readonly style?: Style | undefined;
}

export interface Column {
  readonly title: string;
  /** Least width in cells when the table must shrink. */
  readonly min: number;
  /** Columns with a higher number give way first. */
  readonly shrink: number;
}

const GAP = "  ";
const ELLIPSIS = "…";

/** Cuts printable text to `width` cells; what was cut is marked by an ellipsis. */
export function cut(text: string, width: number, measure: Measure): string {
  if (measure(text) <= width) return text;
  if (width <= 0) return "";
  let result = "";
  let used = 0;
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) {
    const cells = measure(segment);
    if (used + cells > width - 1) break;
    result += segment;
    used += cells;
  }
  return result + ELLIPSIS;
}

/** Widths of the columns so that a row fits into `width`, or as near to it as the least widths allow. */
function shrinkToFit(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  const order = columns
    .map((_, index) => index)
    .sort((a, b) => (columns[b]?.shrink ?? 0) - (columns[a]?.shrink ?? 0));
  let excess = widths.reduce((sum, each) => sum + each, 0) + GAP.length * (columns.length - 1) - width;
  for (const index of order) {
    if (excess <= 0) break;
    const current = widths[index] ?? 0;
    const least = Math.min(current, columns[index]?.min ?? 0);
    const taken = Math.min(excess, current - least);
    widths[index] = current - taken;
    excess -= taken;
  }
  return widths;
}

/** Where a table is shown. */
export interface TablePlace {
  /** Width in cells; undefined: as wide as the contents. */
  readonly width: number | undefined;
  readonly measure: Measure;
}

/**
 * Lines of an aligned table: a header and one line per row, none wider than the place as far as the columns'
 * least widths allow. Trailing blanks are left off.
 */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  place: TablePlace,
  headerStyle: Style,
): string[] {
  const { width, measure } = place;
  const natural = columns.map((column, index) =>
    rows.reduce((widest, row) => Math.max(widest, measure(row[index]?.text ?? "")), column.title.length),
  );
  const widths = width === undefined ? natural : shrinkToFit(columns, natural, width);
  const line = (cells: readonly Cell[]) => {
    const last = cells.findLastIndex((cell) => cell.text !== "");
    return cells
      .slice(0, last + 1)
      .map((cell, index) => {
        const text = cut(cell.text, widths[index] ?? 0, measure);
        const padding = index === last ? 0 : Math.max(0, (widths[index] ?? 0) - measure(text));
        return (cell.style ?? String)(text) + " ".repeat(padding);
      })
      .join(GAP);
  };
  const header = columns.map((column): Cell => ({ text: column.title, style: headerStyle }));
  return [line(header), ...rows.map(line)];
}
