import type { Output } from "./io.js";

/** Alternate screen, no cursor, and no wrapping: a line that a terminal draws wider than counted is cut. */
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";
/** Synchronised output: terminals that know it show the frame at once; others ignore it. */
const BEGIN_FRAME = "\u001b[?2026h";
const END_FRAME = "\u001b[?2026l";

/** A full screen that is redrawn in place. Lines are written over, never cleared first, so nothing flickers. */
export class Screen {
  #entered = false;

  constructor(readonly output: Output) {}

  /** Draws `lines`, at most as many as the terminal has rows. */
  draw(lines: readonly string[]): void {
    if (!this.#entered) {
      this.#entered = true;
      this.output.write(ENTER);
    }
    const { rows } = this.output.size();
    const body = lines.slice(0, rows).map((line) => line + CLEAR_LINE);
    this.output.write(`${BEGIN_FRAME}${HOME}${body.join("\r\n")}${CLEAR_BELOW}${END_FRAME}`);
  }

  /** Gives the terminal back as it was found. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.output.write(LEAVE);
  }
}
