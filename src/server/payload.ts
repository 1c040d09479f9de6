/** Most fields that are read of a payload whose end was cut off. */
const LEADING_FIELDS = 64;

/**
 * Parses a hook's payload. A payload that was cut is read as far as it goes: its leading top-level fields with
 * scalar values, which is where agents put session id, event name and the like. Never throws.
 */
export function parsePayload(bytes: Uint8Array): { payload: unknown; cut: boolean } {
  const text = new TextDecoder("utf-8", { fatal: false }).decode(bytes);
  if (text.trim() === "") return { payload: {}, cut: false };
  try {
    return { payload: JSON.parse(text), cut: false };
  } catch {
    // Cut in the middle, or never JSON: the leading fields are all there is.
    return { payload: leadingFields(text), cut: true };
  }
}

const FIELD =
  /\s*"((?:[^"\\]|\\.){0,128})"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)\s*(,|\})/uy;

function leadingFields(text: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const open = /^\s*\{/u.exec(text);
  if (open === null) return fields;
  FIELD.lastIndex = open[0].length;
  for (let count = 0; count < LEADING_FIELDS; count++) {
    const match = FIELD.exec(text);
    if (match === null) break;
    const [, name, value, end] = match;
    if (name !== undefined && value !== undefined) fields[name] = scalar(value);
    if (end === "}") break;
  }
  return fields;
}

function scalar(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an escape that JSON does not know; the field counts as absent
  }
}

/** A field of a payload as a string; '' if it is absent or no string. */
export function stringField(payload: unknown, name: string): string {
  const value = field(payload, name);
  return typeof value === "string" ? value : "";
}

/** A field of a payload; undefined if the payload is no object or has no such field of its own. */
export function field(payload: unknown, name: string): unknown {
  if (payload === null || typeof payload !== "object" || !Object.hasOwn(payload, name)) return undefined;
  return Reflect.get(payload, name);
}
