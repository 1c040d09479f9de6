import { ActionService } from "../../../gen/agtmux/v1/action_pb.js";
import { usageError } from "../errors.js";
import { type ActionOptions, askedFrom, lookFor, perform, targetOf } from "./action-request.js";
import { tellResult } from "./action-result.js";
import type { Context } from "./context.js";
import type { Io } from "./io.js";

export interface SendOptions extends ActionOptions {
  readonly text?: string | undefined;
  readonly stdin?: boolean | undefined;
  readonly key?: string | undefined;
  readonly enter?: boolean | undefined;
  readonly paste?: boolean | undefined;
  readonly overDraft?: boolean | undefined;
}

/** Most that one send takes, in bytes; the daemon's own limit. */
const MOST = 1024 * 1024;

type Payload = { readonly text: string } | { readonly key: string } | { readonly stdin: true };

/** What is to be sent; of standard input, only that it is. Throws E_INVALID_ARGUMENT unless it is exactly one thing. */
function payloadOf(argument: string | undefined, options: SendOptions): Payload {
  const { key, stdin = false, expect } = options;
  const texts = [argument, options.text].filter((text) => text !== undefined);
  if (texts.length + (key === undefined ? 0 : 1) + (stdin ? 1 : 0) !== 1)
    throw usageError("text", "say what to send, by exactly one of: TEXT, --text TEXT, --stdin, --key NAME");
  if (stdin && expect === "-")
    throw usageError("--stdin", "--stdin and --expect - both read standard input; give --expect its JSON");
  if (stdin) return { stdin };
  const [text] = texts;
  if (text === undefined) return key === undefined || key === "" ? noKey() : { key };
  if (text === "") throw usageError("text", "the text is empty; --key Enter sends Enter alone");
  return { text };
}

function noKey(): never {
  throw usageError("--key", "--key: is empty; name a key as tmux does: Enter, Escape, Up, C-u");
}

async function bytesOf(io: Io): Promise<Uint8Array> {
  const bytes = await io.readInput("--stdin", MOST);
  if (bytes.length === 0) throw usageError("--stdin", "--stdin: standard input is empty");
  return bytes;
}

/** `agtmux send REF [TEXT]` */
export async function send(
  context: Context,
  ref: string,
  argument: string | undefined,
  options: SendOptions,
): Promise<void> {
  const { io } = context;
  const payload = payloadOf(argument, options);
  const asked = await askedFrom(io, ref, options);
  // Before the look, which would grow old while someone types.
  const what = "stdin" in payload ? { stdin: await bytesOf(io) } : payload;
  const look = await lookFor(context, asked);
  const { enter = false, paste = false, overDraft = false } = options;
  const request = { target: targetOf(io, asked, look), ...what, enter, paste, overDraft };
  const client = context.client(ActionService);
  const answer = await perform(asked.requestRef, (call) => client.send(request, call));
  const effect = { name: "submitted", outcome: answer.submitted, wanted: enter };
  tellResult(context, { answer, look, effect, json: options.json });
}
