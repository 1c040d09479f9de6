import { invalidArgument } from "../contract-error.js";

/** Most bytes of text that one send takes; what goes over ssh travels within a line of its shell. */
export const MAX_TEXT_BYTES = 1024 * 1024;

// C0 but for tab and newline, DEL, and C1: an escape among them would end a bracketed paste.
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f]/u;

/** Text to be sent as it is. Throws ContractError E_INVALID_ARGUMENT: empty, too long, ill-formed, or with control characters. */
export function checkedText(field: string, text: string): Buffer {
  if (text === "") throw invalidArgument(field, "is empty");
  if (!text.isWellFormed()) throw invalidArgument(field, "holds half a character");
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length > MAX_TEXT_BYTES) throw invalidArgument(field, `has more than ${MAX_TEXT_BYTES} bytes`);
  const found = CONTROL.exec(text);
  if (found !== null) {
    const code = (found[0].codePointAt(0) ?? 0).toString(16).padStart(2, "0");
    throw invalidArgument(field, `holds the control character 0x${code}; only newline and tab may be sent`);
  }
  return bytes;
}

/** Bytes that must be UTF-8. Throws as checkedText. */
export function checkedBytes(field: string, bytes: Uint8Array): Buffer {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalidArgument(field, "is not UTF-8");
  }
  return checkedText(field, text);
}
