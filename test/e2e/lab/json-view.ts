/** The value as an object, or an empty one: request bodies are read leniently, as a mock should. */
export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** The value as a list, or an empty one. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value as text, or "". */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
