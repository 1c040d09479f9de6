// C0, DEL, C1, line and paragraph separators, and the characters that turn the writing direction around.
const UNSAFE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Text from a pane made safe to show and to store in memory: well-formed, without control or bidirectional
 * characters, at most `max` UTF-16 units and never half a character at the end.
 */
export function cleanText(raw: string, max: number): string {
  if (raw.length <= max && PLAIN.test(raw)) return raw;
  const clean = raw.toWellFormed().replace(UNSAFE, "");
  if (clean.length <= max) return clean;
  const last = clean.charCodeAt(max - 1);
  return clean.slice(0, last >= 0xd800 && last <= 0xdbff ? max - 1 : max);
}
