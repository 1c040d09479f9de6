import { ExecutorError } from "../targets/executor.js";

/**
 * Ends one tmux command and begins the next within one argument list. It holds a NUL, which no argument can
 * hold, so that no text from outside can ever be taken for it.
 */
export const NEXT_COMMAND = "\0;";

/** Most bytes of one argument list; tmux refuses a client's message above 16 384 ("command too long"). */
export const MAX_ARGV_BYTES = 15_000;

/** One argument list that runs the commands in order; after one that fails, tmux runs none of the rest. */
export function sequence(commands: readonly (readonly string[])[]): string[] {
  return commands.flatMap((command, index) => (index === 0 ? command : [NEXT_COMMAND, ...command]));
}

/**
 * The words to give tmux for an argument list of ours: what it reads back is each word exactly as given.
 * Every executor passes its argument lists through here, once.
 * Throws ExecutorError: `failed` for a word with a NUL, `too_large` for a list tmux would refuse.
 */
export function tmuxWords(argv: readonly string[]): string[] {
  const words = argv.map((word) => {
    if (word === NEXT_COMMAND) return ";";
    if (word.includes("\0")) throw new ExecutorError("failed", "a tmux argument holds a NUL");
    // A word that ends in `;` would end the command there, and the rest would run as one of its own.
    return word.endsWith(";") ? `${word.slice(0, -1)}\\;` : word;
  });
  const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (bytes > MAX_ARGV_BYTES) {
    throw new ExecutorError("too_large", `a tmux command of ${bytes} bytes; at most ${MAX_ARGV_BYTES} fit`);
  }
  return words;
}
