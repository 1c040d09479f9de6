/** A captured line without its attributes. */
export interface StyledLine {
  readonly text: string;
  /** The same with what is drawn faint as blanks: hints and placeholders, which nobody has typed. */
  readonly vivid: string;
}

const ESC = "\u001b";
// A control sequence, a string that ends with BEL or ST (a hyperlink), a two-byte escape, or a change of character set.
const SEQUENCE = new RegExp(
  `[\\u000e\\u000f]|${ESC}\\[([0-9:;<=>?]*)[ -/]*([@-~])|${ESC}[\\]PX^_][^${ESC}\\u0007]*(?:\\u0007|${ESC}\\\\)?|${ESC}[ -/]*[0-~]`,
  "gu",
);

/** Reads one line of `capture-pane -e`; attributes go on from line to line, so a reader is good for one capture. */
export class AttributeReader {
  #faint = false;

  read(line: string): StyledLine {
    let text = "";
    let vivid = "";
    let at = 0;
    const take = (part: string): void => {
      text += part;
      vivid += this.#faint ? part.replace(/\S/gu, " ") : part;
    };
    for (const match of line.matchAll(SEQUENCE)) {
      take(line.slice(at, match.index));
      at = match.index + match[0].length;
      if (match[2] === "m") this.#attributes(match[1] ?? "");
    }
    take(line.slice(at));
    return { text, vivid };
  }

  #attributes(parameters: string): void {
    const numbers = parameters.split(";");
    for (let index = 0; index < numbers.length; index++) {
      const number = numbers[index] ?? "";
      // A colour in 256 or in full takes more parameters, among which a 2 is no attribute.
      if (number === "38" || number === "48" || number === "58") index += numbers[index + 1] === "5" ? 2 : 4;
      else if (number === "" || number === "0" || number === "22") this.#faint = false;
      else if (number === "2") this.#faint = true;
    }
  }
}
