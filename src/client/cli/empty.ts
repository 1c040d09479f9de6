import type { Filter } from "../../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../../gen/agtmux/v1/target_pb.js";
import { toAgtmuxError } from "../errors.js";
import type { Context } from "./context.js";
import { emptyLines } from "./notices.js";
import { printable } from "./printable.js";
import { unwatchedServerLines } from "./unwatched.js";

/** The lines for an empty list. Asks which targets there are, to tell why it is empty. */
export async function explainEmpty(
  context: Context,
  what: string,
  filter: Filter | undefined,
): Promise<string[]> {
  try {
    const { targets } = await context.client(TargetService).listTargets({});
    const unwatched = unwatchedServerLines(context.io.env, process.getuid?.(), targets);
    return [...emptyLines(what, filter, targets), ...unwatched];
  } catch (thrown) {
    // The list itself was answered; why it is empty is a help, not the answer.
    return [...emptyLines(what, filter, []), `(targets: ${printable(toAgtmuxError(thrown).message)})`];
  }
}
