import type { Micros } from "../../engine/state.js";
import { type Claim, type DialogMemory, NO_DIALOG } from "../claim.js";
import type { TitleWord } from "./title.js";

export type Title = {
  readonly word: TitleWord;
  /** The word before this one. */
  readonly from: TitleWord | null;
  /** When the word was first seen, or last seen to be alive. */
  readonly at: Micros;
  readonly eventId: string;
  /** This process wrote it: it changed or moved. The first title may be what a killed predecessor left behind. */
  readonly own: boolean;
};

/** A turn that a hook said was over. */
export type EndedTurn = { readonly turn: string; readonly interrupted: boolean };

/** Everything that must be remembered of one runtime's signals. */
export type CodexMemory = DialogMemory & {
  /** The app-server's word on the terminal's thread; null without one. */
  readonly app: Claim | null;
  /** The app-server said that the thread is idle, but not how the turn ended. */
  readonly appEndUnsaid: boolean;
  readonly title: Title | null;
  /** The title has shown a turn or a dialog of this process, so that its absence means something. */
  readonly titleSpeaks: boolean;
  /** What the hooks alone would say. */
  readonly hook: Claim | null;
  /** The turn that the hooks speak of; '' if unknown. */
  readonly turn: string;
  readonly endedTurn: EndedTurn | null;
  /** A model request failed, and nothing was heard of the turn since. */
  readonly failing: Claim | null;
  /** The tool call whose approval the hooks reported. */
  readonly subject: string;
  readonly screen: Claim | null;
  /** How the last turn ended, by hook or screen. */
  readonly end: Claim | null;
  /** When the newest turn is known to have begun. */
  readonly busySince: Micros;
};

export const INITIAL: CodexMemory = {
  ...NO_DIALOG,
  app: null,
  appEndUnsaid: false,
  title: null,
  titleSpeaks: false,
  hook: null,
  turn: "",
  endedTurn: null,
  failing: null,
  subject: "",
  screen: null,
  end: null,
  busySince: 0,
};

/** Clocks of hook, screen and app-server differ by as much within one turn's end. */
const SAME_TURN: Micros = 50_000;

/** Whether `end` is this turn's, not an earlier one's. */
export function hasEnded(memory: CodexMemory): boolean {
  return memory.end !== null && memory.end.at >= memory.busySince - SAME_TURN;
}
