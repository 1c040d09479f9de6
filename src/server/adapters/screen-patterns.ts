import type { AgentState } from "../engine/state.js";

/** One rule of an adapter's screen knowledge. Patterns are data: versioned with the agent, never code. */
export interface ScreenRule {
  readonly id: string;
  readonly state: AgentState;
  readonly reason: string;
  /**
   * Where it looks: the end of the screen, right above the input box, or from the input box down. Without an input
   * box on the screen the latter two do not match.
   */
  readonly region: "tail" | "above-input" | "footer";
  /** Only what stands below the last line of the region that this matches counts, if there is one. */
  readonly below?: string;
  /** How many non-blank lines of the region are looked at, counted from its lower end. */
  readonly lines: number;
  /** Each must match some line within reach. Plain JavaScript patterns without nested quantifiers. */
  readonly all: readonly string[];
  /** None may match any line within reach. */
  readonly none?: readonly string[];
  /** Proof enough to become high after consecutive looks over 1.5 s. */
  readonly conclusive: boolean;
  /** The dialog's text begins with the last line that this matches. An input box below it proves that it is prose. */
  readonly dialogFrom?: string;
  /**
   * Where what a dialog quotes may look like its beginning: it begins with the first such line below the last one that
   * this matches, which nothing that is quoted can.
   */
  readonly dialogAfter?: string;
}

/** How an agent's input box looks, and what proves it live. */
export interface InputBoxKnowledge {
  /** The line with the input prompt; the last one that fits counts. */
  readonly prompt: string;
  /** What that line looks like while text is taken as a prompt, and not as a command of a shell, say. */
  readonly takesText: string;
  /** Must match the line before it. */
  readonly top?: string;
  /** The first line below that is not of the box any more. */
  readonly end: string;
  /** Column of the cursor while the box is empty. */
  readonly emptyColumn: number;
  /** Each must match some line of the screen as text is sent, and none of the others any: POSIX extended, `isFormatSafe`. */
  readonly present: readonly string[];
  readonly absent: readonly string[];
  /** A menu that comes up as text is typed and takes the next Enter: the line that tells of it, and the key that closes it. */
  readonly menu?: { readonly line: string; readonly close: string };
}

export interface ScreenPatterns {
  readonly version: string;
  /** A dialog's last line, which tells of its keys: it changes with the option that is marked, and is not what is asked. */
  readonly dialogHint: string;
  readonly inputBox: InputBoxKnowledge;
  /** First match wins. */
  readonly rules: readonly ScreenRule[];
}

/** What one look at a screen showed. */
export interface ScreenReading {
  readonly rule: ScreenRule;
  /** The open dialog's text, for people and for the prompt digest; absent without one. */
  readonly dialogText?: string | undefined;
  /** The dialog begins above the screen: its text is not all of it. */
  readonly cut?: boolean | undefined;
}

const compiled = new Map<string, RegExp>();

/** A compiled pattern; compiled once. */
export function pattern(source: string): RegExp {
  let regexp = compiled.get(source);
  if (regexp === undefined) {
    regexp = new RegExp(source, "u");
    compiled.set(source, regexp);
  }
  return regexp;
}

/**
 * Matches an adapter's rules against a captured screen. The first rule that fits wins; of rules that look right above
 * the input box, where the conversation's last lines stand, the one that fits lowest, which is the newest line.
 * Undefined: no rule fits, which proves nothing.
 */
export function readScreen(patterns: ScreenPatterns, screen: readonly string[]): ScreenReading | undefined {
  const lines = screen.map((line) => line.trimEnd()).filter((line) => line !== "");
  const box = inputBox(patterns, lines);
  const fitting = patterns.rules.flatMap((rule) => {
    const at = fitsAt(rule, region(rule, lines, box).slice(-rule.lines));
    return at === undefined || isProse(rule, patterns, lines, box) ? [] : [{ rule, at }];
  });
  const [first] = fitting;
  if (first === undefined) return undefined;
  const rivals =
    first.rule.region === "above-input" ? fitting.filter(({ rule }) => rule.region === "above-input") : [];
  const { rule } = rivals.reduce((lowest, rival) => (rival.at > lowest.at ? rival : lowest), first);
  if (rule.dialogFrom === undefined) return { rule };
  const start = dialogStart(rule, lines);
  return { rule, dialogText: lines.slice(start === -1 ? -20 : start).join("\n"), cut: start === -1 };
}

/** Whether an input box stands below what reads like a dialog: no agent shows both. */
function isProse(
  rule: ScreenRule,
  { inputBox: { end } }: ScreenPatterns,
  lines: readonly string[],
  box: number | undefined,
): boolean {
  if (rule.dialogFrom === undefined || box === undefined) return false;
  const below = lines.findIndex((line, at) => at > box + 1 && pattern(end).test(line));
  return dialogStart(rule, lines) <= Math.max(box, below);
}

/** Index of a dialog's first line; -1 if it stands above the screen. */
function dialogStart({ dialogFrom = "", dialogAfter }: ScreenRule, lines: readonly string[]): number {
  const begins = (line: string): boolean => pattern(dialogFrom).test(line);
  if (dialogAfter === undefined) return lines.findLastIndex(begins);
  const before = lines.findLastIndex((line) => pattern(dialogAfter).test(line));
  return before === -1 ? -1 : lines.findIndex((line, at) => at > before && begins(line));
}

/** Where the rule's first pattern fits, counted from the lower end (0, -1, …); undefined if the rule does not fit. */
function fitsAt(rule: ScreenRule, reach: readonly string[]): number | undefined {
  const found = (source: string): number => reach.findLastIndex((line) => pattern(source).test(line));
  if (rule.all.some((source) => found(source) === -1)) return undefined;
  if ((rule.none ?? []).some((source) => found(source) !== -1)) return undefined;
  return found(rule.all[0] ?? "") - (reach.length - 1);
}

function inputBox(patterns: ScreenPatterns, lines: readonly string[]): number | undefined {
  const { prompt, top } = patterns.inputBox;
  const index = lines.findLastIndex(
    (line, at) => pattern(prompt).test(line) && (top === undefined || pattern(top).test(lines[at - 1] ?? "")),
  );
  if (index === -1) return undefined;
  return top === undefined ? index : index - 1;
}

function region(rule: ScreenRule, lines: readonly string[], box: number | undefined): readonly string[] {
  const whole = wholeRegion(rule, lines, box);
  const { below } = rule;
  return below === undefined
    ? whole
    : whole.slice(whole.findLastIndex((line) => pattern(below).test(line)) + 1);
}

function wholeRegion(rule: ScreenRule, lines: readonly string[], box: number | undefined): readonly string[] {
  if (rule.region === "tail") return lines;
  if (box === undefined) return [];
  return rule.region === "above-input" ? lines.slice(0, box) : lines.slice(box);
}

const TIMER = /\(?\b\d+(?:\.\d+)?\s*(?:s|ms|m|sec)\b\)?/gu;

/** Whether a line of a dialog stays as it is while the dialog stands: it holds no timer. */
export function isSteady(line: string): boolean {
  return line.search(TIMER) === -1;
}

/**
 * The part of a dialog's text that names it: without cursor marks, option numbers, rulers, timers and hints, and with
 * wrapped lines joined, so that moving the cursor or resizing the pane does not make it another dialog.
 */
export function normalizeDialog(text: string, { dialogHint }: Pick<ScreenPatterns, "dialogHint">): string {
  const lines = text.split("\n");
  const hint = lines.findLastIndex((line) => pattern(dialogHint).test(line));
  // It stands at the end, wrapped at most twice; what a dialog quotes stands above.
  const asked = hint >= lines.length - 3 && hint !== -1 ? lines.slice(0, hint) : lines;
  return (
    asked
      .map((line) => line.replace(/^[\s│┃|]*[❯›>●○◉*]?\s*(?:\d+[.)]\s+)?/u, "").replace(/[│┃|\s]+$/u, ""))
      .join(" ")
      .replace(/[─━╌═]+/gu, "")
      // After joining: a timer may be wrapped between its number and its unit.
      .replace(TIMER, "")
      .replace(/\s+/gu, "")
  );
}
