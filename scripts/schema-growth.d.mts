/** `schema` without its annotations, its keys in order, and in order too the lists that are sets. */
export function canonical(schema: unknown): unknown;

/**
 * Where `current` breaks what `landed` promised, one line each; both are canonical schemas by file name. Empty if it
 * only grew: new files, properties, enum values, required names and constraints are growth.
 */
export function breaches(
  landed: Readonly<Record<string, unknown>>,
  current: Readonly<Record<string, unknown>>,
): string[];
