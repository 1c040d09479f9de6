/**
 * One breach as a line that begins with the promise it breaks: how many there are, and the first of them. Nothing if
 * there are none.
 */
export function breach(promise: string, cases: readonly string[]): string[] {
  const [first] = cases;
  return first === undefined ? [] : [`${promise}: ${cases.length} times not, first ${first}`];
}
