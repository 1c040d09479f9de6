import type { AnyAdapter } from "../adapters/contract.js";
import { type InputBox, readInputBox } from "../adapters/input-box.js";
import { isSteady, pattern, readScreen, type ScreenReading } from "../adapters/screen-patterns.js";
import { MAX_PINNED_LINES } from "../tmux/guard.js";
import type { PaneLook } from "../tmux/pane-look.js";
import type { ExtraPins } from "./pane-hand.js";

/** What a look at an agent's pane shows, in the words of its adapter. */
export interface Seen {
  readonly look: PaneLook;
  readonly reading: ScreenReading | undefined;
  /** A dialog stands open and takes what is typed. */
  readonly dialog: boolean;
  readonly box: InputBox | undefined;
}

export function seen(look: PaneLook, adapter: AnyAdapter): Seen {
  const reading = readScreen(
    adapter.screen,
    look.lines.map(({ text }) => text),
  );
  const state = reading?.rule.state;
  const dialog = state === "waiting_approval" || state === "waiting_input";
  return {
    look,
    reading,
    dialog,
    box: dialog ? undefined : readInputBox(adapter.screen, look.lines, look.cursor),
  };
}

/** What must hold as keys are sent to the input box: it stands where it stood, with the cursor in it, and no dialog does. */
export function inputPins({ look }: Seen, { screen }: AnyAdapter): ExtraPins {
  return { cursor: look.cursor, present: screen.inputBox.present, absent: screen.inputBox.absent };
}

/** What must hold as keys are sent where no input box is seen: no dialog has opened. What stands there already may stay. */
export function noDialogPins({ look }: Seen, { screen }: AnyAdapter): ExtraPins {
  const stands = (source: string): boolean => look.lines.some(({ text }) => pattern(source).test(text));
  return { absent: screen.inputBox.absent.filter((source) => !stands(source)) };
}

/** What must hold as keys are sent to an open dialog: each line of it that says something stands on the screen. */
export function dialogPins(dialogText: string): ExtraPins {
  return { lines: dialogText.split("\n").filter(isSteady).slice(-MAX_PINNED_LINES) };
}
