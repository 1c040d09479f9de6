const QUOTE = 0x27;
/** Ends the quotes, a quote of its own, and begins them anew. */
const INNER_QUOTE = Buffer.from("'\\''");

/**
 * The one quoting function: a word that every POSIX shell reads back byte by byte, whatever it holds, newlines
 * included. Strings count as UTF-8. Throws RangeError on a NUL, which no word of a shell can hold.
 */
export function shQuote(word: string | Uint8Array): Buffer {
  const bytes =
    typeof word === "string" ? Buffer.from(word) : Buffer.from(word.buffer, word.byteOffset, word.length);
  if (bytes.includes(0)) throw new RangeError("a word for a shell holds a NUL");
  const pieces: Buffer[] = [INNER_QUOTE.subarray(0, 1)];
  let from = 0;
  for (let at = bytes.indexOf(QUOTE); at >= 0; at = bytes.indexOf(QUOTE, from)) {
    pieces.push(bytes.subarray(from, at), INNER_QUOTE);
    from = at + 1;
  }
  pieces.push(bytes.subarray(from), INNER_QUOTE.subarray(0, 1));
  return Buffer.concat(pieces);
}

/** Words as one command line. */
export function shWords(words: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    words.flatMap((word, index) => (index === 0 ? [shQuote(word)] : [SPACE, shQuote(word)])),
  );
}

const SPACE = Buffer.from(" ");
