/** Counts the cells that printable text takes on a terminal. */
export type Measure = (text: string) => number;

/**
 * Texts whose every character takes one cell: ASCII, Latin letters and signs, the usual typographic marks. Line
 * breaks and tabs are in it because printable() makes spaces of them.
 */
const NARROW = /^[\t\n\r\u0020-\u007e\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e]*$/;

let wide: Measure | undefined;

/** Measures narrow texts only; for what this program says itself. */
export const measureNarrow: Measure = (text) => text.length;

function isNarrow(data: unknown): boolean {
  if (typeof data === "string") return NARROW.test(data);
  if (typeof data !== "object" || data === null) return true;
  if (Array.isArray(data)) return data.every(isNarrow);
  return Object.values(data).every(isNarrow);
}

/**
 * What measures every text within `data`, a message of the daemon. string-width is loaded only where a text
 * needs it: that takes 20 ms, a third of what a whole listing may take (docs/performance.md).
 */
export async function measureFor(data: unknown): Promise<Measure> {
  if (wide === undefined) {
    if (isNarrow(data)) return measureNarrow;
    wide = (await import("string-width")).default;
  }
  return wide;
}
