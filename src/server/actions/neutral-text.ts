import { AttributeReader } from "../tmux/attributes.js";
import { MAX_LINE } from "../tmux/capture.js";
import { cleanText } from "../tmux/text.js";

const ESC = "\u001b";
const COLOUR = new RegExp(`${ESC}\\[[0-9;:]{0,64}m`, "gu");

/** Captured lines as they may go to any terminal: of their escape sequences nothing is left, or the colours alone. */
export function neutralLines(captured: readonly string[], colors: boolean): string[] {
  const reader = new AttributeReader();
  return captured.map((line) => (colors ? coloured(line) : cleanText(reader.read(line).text, MAX_LINE)));
}

/** Attributes stay in their places, everything else is made plain. Each line ends without attributes of its own. */
function coloured(line: string): string {
  const plain = (text: string): string => cleanText(new AttributeReader().read(text).text, MAX_LINE);
  let made = "";
  let at = 0;
  for (const match of line.matchAll(COLOUR)) {
    made += plain(line.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  made += plain(line.slice(at));
  return made.includes(ESC) ? `${made}${ESC}[0m` : made;
}
