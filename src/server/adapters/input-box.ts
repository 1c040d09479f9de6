import type { ScreenPatterns } from "./screen-patterns.js";
import { pattern } from "./screen-patterns.js";

/** The input box of an agent as one look shows it. */
export interface InputBox {
  /** Line of its prompt, counted from the top of the screen. */
  readonly row: number;
  /** What stands in it without the prompt mark; '' when empty, blank when nothing but blanks does. */
  readonly draft: string;
}

/** A line of a screen, and the same without what is drawn faint. */
export interface ScreenLine {
  readonly text: string;
  readonly vivid: string;
}

/**
 * Finds the input box on a screen; undefined without one, or while what is typed there is no prompt. It is empty only if
 * nothing but faint text stands in it and the cursor is where it is in an empty box.
 */
export function readInputBox(
  { inputBox }: Pick<ScreenPatterns, "inputBox">,
  lines: readonly ScreenLine[],
  cursor: { readonly x: number; readonly y: number },
): InputBox | undefined {
  const { prompt, takesText, top, end, emptyColumn } = inputBox;
  const row = lines.findLastIndex(
    ({ text }, at) =>
      pattern(prompt).test(text) &&
      (top === undefined || pattern(top).test(lines[at - 1]?.text.trimEnd() ?? "")),
  );
  const first = lines[row];
  if (first === undefined || !pattern(takesText).test(first.text)) return undefined;
  const rest = lines.slice(row + 1);
  const length = rest.findIndex(({ text }) => pattern(end).test(text.trimEnd()));
  const below = length === -1 ? rest : rest.slice(0, length);
  const inside = [first.vivid.replace(/^\s*\S\s?/u, ""), ...below.map(({ vivid }) => vivid)];
  const draft = inside
    .map((line) => line.trim())
    .join("\n")
    .trim();
  const atStart = cursor.y === row && cursor.x === emptyColumn;
  return { row, draft: draft === "" && !atStart ? " " : draft };
}
