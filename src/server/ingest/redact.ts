import type { AttributeValue, Transition } from "../engine/event.js";
import { digestWords } from "../engine/identity.js";

/** Longest value of an attribute that is stored. */
export const ATTRIBUTE_CHARS = 200;

const NAMES =
  "pass(?:word|wd|phrase)|secret|token|credentials?|authorization|" +
  "(?:api|access|account|private|shared|signing|encryption)[_-]?(?:access)?[_-]?key";
/** Stands where a secret was. */
const REDACTED = "[redacted]";
/** Most words of an attribute's value or an id: `permission prompt` has two. What has more is somebody's text. */
const MAX_WORDS = 4;

/** Shapes of secrets. A value that has one is not stored; that it was there is. */
const SECRET_SHAPES: readonly RegExp[] = [
  /\b(?:sk|pk|rk)[_-][A-Za-z0-9_-]{16,}/u,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/u,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/u,
  /\bglpat-[A-Za-z0-9_-]{16,}/u,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/u,
  /\bxapp-\d-[A-Za-z0-9-]{10,}/u,
  /hooks\.slack\.com\/[a-z]+\/[A-Za-z0-9/]{10,}/u,
  /\bgl(?:ptt|rt|dt|soat|cbt|ft|imt|agent)-[A-Za-z0-9_-]{16,}/u,
  /\b(?:whsec_|GOCSPX-|dckr_pat_|lin_api_|ATATT3|sq0[a-z]{3}-)[A-Za-z0-9_=-]{16,}/u,
  /\b(?:hf_|npm_|glsa_|dop_v1_|shpat_|pypi-|SG\.|AGE-SECRET-KEY-1)[A-Za-z0-9._-]{16,}/u,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}/u,
  /\bAIza[A-Za-z0-9_-]{30,}/u,
  /\bya29\.[A-Za-z0-9_-]{20,}/u,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/u,
  /-----BEGIN [A-Z ]*PRIVATE KEY/u,
  // As in AWS_SECRET_ACCESS_KEY=…, "password": "…" and --token …
  new RegExp(`(?:${NAMES})["']?\\s*[:=]`, "iu"),
  new RegExp(`--(?:[a-z]+-)*(?:${NAMES})\\s+\\S`, "iu"),
  /\bbearer\s+[A-Za-z0-9._~+/=-]{8,}/iu,
  // Base64 mixes its letters; "Basic Authentication" does not.
  /\b[Bb]asic\s+(?=[A-Za-z+/][a-z+/]*[A-Z0-9])[A-Za-z0-9+/]{10,}/u,
  /:\/\/[^\s/:@]*:[^\s/@]+@/u,
];

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** Bounds and cleans one line of hostile text: well-formed, no control, bidi or zero-width characters. */
export function cleanLine(text: string, maxChars: number): string {
  return text
    .slice(0, maxChars * 4)
    .toWellFormed()
    .replace(CONTROL, "")
    .slice(0, maxChars)
    .toWellFormed();
}

export function looksSecret(text: string): boolean {
  return SECRET_SHAPES.some((shape) => shape.test(text));
}

/** Looks further than is stored: a secret may begin within a value and end behind its cut. */
function redactValue(value: AttributeValue): AttributeValue {
  if (typeof value !== "string") return Number.isFinite(Number(value)) ? value : 0;
  const clean = cleanLine(value, ATTRIBUTE_CHARS * 4);
  if (looksSecret(clean) || looksSecret(value.slice(0, ATTRIBUTE_CHARS * 16))) return REDACTED;
  const kept = cleanLine(clean, ATTRIBUTE_CHARS);
  return isText(kept) ? REDACTED : kept;
}

function isText(clean: string): boolean {
  return clean.trim().split(/\s+/u).length > MAX_WORDS;
}

/** A name or path as it may be stored: as it stands, unless it looks like a secret. */
export function redactText(text: string): string {
  return looksSecret(text) ? REDACTED : text;
}

/** An identifier as it may be stored: bounded, and by its digest alone where it may be something else. */
export function opaqueId(text: string, maxChars: number): string {
  const clean = cleanLine(text, maxChars);
  return clean !== text || looksSecret(text) || isText(text) ? digestWords([text]) : text;
}

/** The last gate before the store: whatever an adapter allow-listed is bounded and passed through the secret filter. */
export function redact(transition: Transition): Transition {
  const attributes = Object.entries(transition.attributes ?? {}).slice(0, 16);
  if (attributes.length === 0) return { kind: cleanLine(transition.kind, 64) };
  return {
    kind: cleanLine(transition.kind, 64),
    attributes: Object.fromEntries(
      attributes.map(([name, value]) => [cleanLine(name, 64), redactValue(value)]),
    ),
  };
}
