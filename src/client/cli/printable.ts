/**
 * Control sequences of a terminal, in the 7-bit and the 8-bit form: CSI; the string sequences OSC, DCS, SOS, PM
 * and APC up to their end mark (or to the end of the text, if the mark is missing); and two-character escapes.
 */
const SEQUENCES = new RegExp(
  [
    "(?:\\u001b\\[|\\u009b)[\\u0030-\\u003f]*[\\u0020-\\u002f]*[\\u0040-\\u007e]?",
    "(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u009c]*(?:\\u0007|\\u001b\\\\|\\u009c)?",
    "\\u001b[\\u0020-\\u002f]*[\\u0030-\\u007e]?",
  ].join("|"),
  "g",
);

/**
 * What may move text about or hide it: soft hyphen, bidirectional marks, overrides and isolates, zero-width
 * characters, line and paragraph separators, interlinear annotations, byte order mark, tags.
 */
const INVISIBLE =
  /[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const BREAKS = /\r\n?|[\n\u0085\u2028\u2029\t\v\f]/g;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;
const CONTROLS_BUT_NEWLINE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

/**
 * One line that is safe on a terminal: no control or escape sequence, no control character, nothing that moves
 * or hides text; line breaks and tabs become one space. Every text of the daemon passes through here (or
 * through printableLines) before it is written.
 */
export function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(SEQUENCES, "")
    .replace(BREAKS, " ")
    .replace(CONTROLS, "")
    .replace(INVISIBLE, "");
}

/** As printable, but line breaks stay: for texts of several lines, such as a dialog's. */
export function printableLines(text: string): string {
  return text
    .toWellFormed()
    .replace(SEQUENCES, "")
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, "\n")
    .replace(/\t/g, "    ")
    .replace(CONTROLS_BUT_NEWLINE, "")
    .replace(INVISIBLE, "");
}

const COLORS = /\u001b\[[0-9;:]{0,64}m/g;
const NO_COLORS = "\u001b[0m";

/** As printable, but sequences that set colours and other attributes stay; the line ends without any. */
export function colored(line: string): string {
  let made = "";
  let at = 0;
  for (const match of line.matchAll(COLORS)) {
    made += printable(line.slice(at, match.index)) + match[0];
    at = match.index + match[0].length;
  }
  made += printable(line.slice(at));
  return at === 0 || made.endsWith(NO_COLORS) ? made : made + NO_COLORS;
}

/**
 * JSON text that is safe on a terminal too: what JSON.stringify leaves raw (DEL, C1, bidirectional and
 * zero-width characters) is written as \uXXXX, so the value stays exactly what it was.
 */
export function safeJson(value: unknown, indent?: number): string {
  const escaped = (character: string) => {
    let result = "";
    for (let i = 0; i < character.length; i += 1) {
      result += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
    }
    return result;
  };
  return JSON.stringify(value, undefined, indent)
    .replace(/[\u007f-\u009f]/g, escaped)
    .replace(INVISIBLE, escaped);
}
