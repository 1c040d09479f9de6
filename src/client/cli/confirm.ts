import { confirmationRequired } from "./context.js";
import type { Io } from "./io.js";
import { printable } from "./printable.js";

/**
 * Asks a question of one line, that yes or no answers, on the terminal. Throws E_CONFIRMATION_REQUIRED for anything but a
 * yes, and where there is no terminal.
 */
export async function confirm({ ask }: Io, question: string): Promise<void> {
  const answer = (await ask?.(`${printable(question)} [y/N] `)) ?? "";
  if (!/^y(es)?$/i.test(answer.trim())) throw confirmationRequired("not confirmed; nothing was done");
}
