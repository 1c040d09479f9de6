import type { Transition } from "../../engine/event.js";

/**
 * What the terminal's title shows: a spinner during a turn, "Action Required" while a dialog is open, neither
 * otherwise. Before the first drawing it is the host's name, which looks like the last of these.
 */
export type TitleWord = "turn" | "dialog" | "plain";

const SPINNER = /^([⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏])(?: |$)/u;
const ACTION = /^(\[ [!.] \]) Action Required(?: \| |$)/u;

/** The moving part of a title and what is behind it. */
export function splitTitle(title: string): { word: TitleWord; mark: string; text: string } {
  const action = ACTION.exec(title);
  if (action !== null) {
    return { word: "dialog", mark: action[1] ?? "", text: title.slice(action[0].length) };
  }
  const spinner = SPINNER.exec(title);
  if (spinner !== null) return { word: "turn", mark: spinner[1] ?? "", text: title.slice(spinner[0].length) };
  return { word: "plain", mark: "", text: title };
}

/** An empty title is left behind at exit and says nothing. */
export function readCodexTitle(title: string): Transition | undefined {
  return title === "" ? undefined : titleSaying(splitTitle(title).word, false);
}

/**
 * A title's transition. `moving`: its mark was seen to move, so that it is not what a killed predecessor left in the
 * pane.
 */
export function titleSaying(word: TitleWord, moving: boolean): Transition {
  return moving ? { kind: "title", attributes: { word, moving } } : { kind: "title", attributes: { word } };
}
