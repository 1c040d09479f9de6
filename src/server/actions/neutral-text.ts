import { AttributeReader } from "../tmux/attributes.js";
import { MAX_LINE } from "../tmux/capture.js";
import { cleanText } from "../tmux/text.js";

const ESC = "\u001b";
const COLOUR = new RegExp(`${ESC}\\[([0-9;:]{0,64})m`, "gu");

/** Captured lines as they may go to any terminal: of their escape sequences nothing is left, or the colours alone. */
export function neutralLines(captured: readonly string[], colors: boolean): string[] {
  const reader = new AttributeReader();
  const style = new Style();
  return captured.map((line) =>
    colors ? coloured(line, style) : cleanText(reader.read(line).text, MAX_LINE),
  );
}

/**
 * Attributes stay in their places, everything else is made plain. A capture leaves them on from line to line; here each
 * line begins with what is on and ends without any, so that it can be shown by itself.
 */
function coloured(line: string, style: Style): string {
  const plain = (text: string): string => cleanText(new AttributeReader().read(text).text, MAX_LINE);
  let made = style.sequence;
  let at = 0;
  for (const match of line.matchAll(COLOUR)) {
    made += plain(line.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
    style.take(match[1] ?? "");
  }
  made += plain(line.slice(at));
  return made.includes(ESC) ? `${made}${ESC}[0m` : made;
}

/** What each code that turns something off turns off. */
const OFF: Readonly<Record<number, readonly string[]>> = {
  22: ["1", "2"],
  23: ["3"],
  24: ["4"],
  25: ["5"],
  27: ["7"],
  28: ["8"],
  29: ["9"],
  39: ["ink"],
  49: ["ground"],
  55: ["53"],
  59: ["line"],
};

/** The attributes that are on. */
class Style {
  /** Parameters by what they are about; the later one counts. */
  readonly #on = new Map<string, string>();

  /** The sequence that turns them on; '' without any. */
  get sequence(): string {
    return this.#on.size === 0 ? "" : `${ESC}[${[...this.#on.values()].join(";")}m`;
  }

  /** Takes the parameters of one sequence. */
  take(parameters: string): void {
    const numbers = parameters.split(";");
    for (let index = 0; index < numbers.length; index++) {
      const number = numbers[index] ?? "";
      const code = Number(number.split(":", 1)[0]);
      const about = subject(code);
      if (code === 0) this.#on.clear();
      else if (OFF[code] !== undefined) for (const name of OFF[code]) this.#on.delete(name);
      else if (about !== undefined) {
        // A colour in 256 or in full takes more parameters.
        const long = (code === 38 || code === 48 || code === 58) && number === String(code);
        const more = long ? (numbers[index + 1] === "5" ? 2 : 4) : 0;
        this.#on.set(about, numbers.slice(index, index + 1 + more).join(";"));
        index += more;
      }
    }
  }
}

/** What an attribute is about; undefined for one that tmux does not use. */
function subject(code: number): string | undefined {
  if ((code >= 30 && code <= 38) || (code >= 90 && code <= 97)) return "ink";
  if ((code >= 40 && code <= 48) || (code >= 100 && code <= 107)) return "ground";
  if (code === 58) return "line";
  if (code === 21) return "4";
  return (code >= 1 && code <= 9) || code === 53 ? String(code) : undefined;
}
