const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** The words as one line for sh and its kin, each quoted where it must be. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}
