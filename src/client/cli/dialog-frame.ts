import { printableLines } from "./printable.js";

const MARK = "  │ ";
const LEAST_WIDTH = 20;
/** A line that is drawn, of one box-drawing or block character: as much of it as fits says the same. */
const RULER = /^\s*([\u2500-\u259f])\1*\s*$/u;

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
    .flatMap((line) => (RULER.test(line) ? wrapped(line, width).slice(0, 1) : wrapped(line, width)))
    .map((line) => `${MARK}${line}`.trimEnd());
}
