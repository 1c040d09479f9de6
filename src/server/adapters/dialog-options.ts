import type { DialogKnowledge } from "./contract.js";
import { pattern } from "./screen-patterns.js";

/** One choice of a dialog. */
export interface DialogOption {
  /** The number that stands before it, which is the key that chooses it. */
  readonly number: number;
  /** What it says, without number and cursor mark; wrapped lines joined. */
  readonly words: string;
  /** The screen's line that it begins on. */
  readonly line: string;
}

const NUMBERED = /^[\s│┃|]*[❯›>●○◉*]?\s*(\d{1,2})[.)]\s+(\S.*?)[\s│┃|]*$/u;

/**
 * The numbered options at the end of a dialog's text, first to last: below the last line that `optionsBelow` matches,
 * numbered from 1 without gaps. None if a number comes twice: what the dialog quotes must not pass for its options.
 */
export function readOptions(dialogText: string, { optionsBelow }: DialogKnowledge): readonly DialogOption[] {
  const lines = dialogText.split("\n");
  const question = lines.findLastIndex((line) => pattern(optionsBelow).test(line));
  if (question === -1) return [];
  const options: DialogOption[] = [];
  let open = false;
  for (const line of lines.slice(question + 1)) {
    const [, number = "", words = ""] = NUMBERED.exec(line) ?? [];
    if (number !== "" && Number(number) !== options.length + 1) return [];
    if (number !== "") options.push({ number: Number(number), words, line });
    // An option that did not fit its line goes on, indented like its words.
    else if (open && /^\s{4,}\S/u.test(line)) {
      const last = options.pop();
      if (last !== undefined) options.push({ ...last, words: `${last.words} ${line.trim()}` });
    }
    open = number !== "" || (open && /^\s{4,}\S/u.test(line));
  }
  return options;
}

/**
 * The one option that says the answer; undefined if none or several do. What it says decides, never its place: the
 * same number is "no" in one dialog and "always" in another.
 */
export function chooseOption(
  options: readonly DialogOption[],
  knowledge: DialogKnowledge,
  answer: "approve" | "deny",
): DialogOption | undefined {
  const fitting = options.filter(({ words }) =>
    knowledge[answer].some((source) => pattern(source).test(words)),
  );
  return fitting.length === 1 ? fitting[0] : undefined;
}
