import { printableLines } from "./printable.js";

const MARK = "  │ ";
const LEAST_WIDTH = 20;

/**
 * Cells that a piece of text takes at most: terminals differ on what is wide, so whatever is not ASCII counts as two for
 * each of its characters.
 */
function mostCells(segment: string): number {
  let cells = 0;
  for (const character of segment) cells += character < "\u007f" ? 1 : 2;
  return cells;
}

/** Breaks a line so that no part can be drawn wider than `width` cells. */
function wrapped(line: string, width: number): string[] {
  const parts: string[] = [];
  let part = "";
  let cells = 0;
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(line)) {
    const more = mostCells(segment);
    if (part !== "" && cells + more > width) {
      parts.push(part);
      part = "";
      cells = 0;
    }
    part += segment;
    cells += more;
  }
  return [...parts, part];
}

/**
 * A dialog's text for a terminal of `columns`, each line behind a mark: no terminal wraps a line, so none of the dialog's
 * words can stand where this program's own do.
 */
export function framed(text: string, columns: number): string[] {
  const width = Math.max(LEAST_WIDTH, columns) - MARK.length - 1;
  return printableLines(text)
    .replace(/\n+$/, "")
    .split("\n")
    .flatMap((line) => wrapped(line, width))
    .map((line) => `${MARK}${line}`.trimEnd());
}
