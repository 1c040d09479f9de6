import { cleanText } from "./text.js";

/** Most characters of a normalised title. */
export const MAX_TITLE = 512;

// What agents put before their titles and change while they work or wait: braille spinners, Claude's star,
// Gemini's and opencode's marks, Codex's blinking `[ ! ]` and `[ . ]`; a variation selector may follow.
const LEADING_MARKS =
  /^(?:\s|[\ufe0e\ufe0f]|[\u2800-\u28ff]|[✳✻✽✶✢✷✺·◐◑◒◓◇◆✦✧✋⏲⏳]|\*(?=\s)|\[ ?[!.] ?\])+/u;

/**
 * A pane's title without what turns or blinks in it, so that a working agent does not change it ten times a
 * second; at most 512 characters, without control characters.
 */
export function normalizeTitle(raw: string): string {
  const text = cleanText(raw, Number.POSITIVE_INFINITY).replace(LEADING_MARKS, "");
  return cleanText(text, MAX_TITLE).trimEnd();
}
