import { ActionService, ResultCode } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError } from "../errors.js";
import { type ActionOptions, askedFrom, lookFor, perform, targetOf } from "./action-request.js";
import { actionResultJson, resultOf, tellResult } from "./action-result.js";
import type { Context } from "./context.js";
import { printable, safeJson } from "./printable.js";
import { shellLine } from "./shell-words.js";

export interface AttachOptions extends ActionOptions {
  readonly print?: boolean | undefined;
}

/** The line to execute by hand. Throws E_UNSUPPORTED for words that a terminal must not be shown as they are. */
function printed(argv: readonly string[]): string {
  const line = shellLine(argv);
  if (printable(line) === line) return line;
  const message = "the command has characters that cannot be printed; --json gives it word by word";
  throw new AgtmuxError(ErrorCode.E_UNSUPPORTED, message);
}

/**
 * `agtmux attach REF`. Shows the pane in this terminal and ends with the status of what showed it; with `--print` or
 * `--json` it tells what to execute instead.
 */
export async function attach(context: Context, ref: string, options: AttachOptions): Promise<void> {
  const { io } = context;
  const { print = false, json = false } = options;
  const { execute } = io;
  if (execute === undefined && !print && !json) {
    const message = "attach needs a terminal; --print or --json tells what to execute in one";
    throw new AgtmuxError(ErrorCode.E_UNSUPPORTED, message);
  }
  const asked = await askedFrom(io, ref, options);
  const look = await lookFor(context, asked);
  const request = { target: targetOf(io, asked, look), clientTmux: io.env["TMUX"] ?? "" };
  const client = context.client(ActionService);
  const answer = await perform(asked.requestRef, (call) => client.attach(request, call));
  const { argv } = answer;
  if (resultOf(answer).resultCode !== ResultCode.OK) return tellResult(context, { answer, look, json });
  if (argv.length === 0)
    throw new AgtmuxError(ErrorCode.E_INTERNAL, "the daemon did not say what to execute");
  if (json) io.stdout.write(`${safeJson(actionResultJson(answer, undefined, { argv }), 2)}\n`);
  else if (print || execute === undefined) io.stdout.write(`${printed(argv)}\n`);
  else context.endWith(await execute(argv));
}
