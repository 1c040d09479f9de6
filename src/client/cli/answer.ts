import { ActionService, type ApproveResponse, type DenyResponse } from "../../../gen/agtmux/v1/action_pb.js";
import { AgentState } from "../../../gen/agtmux/v1/common_pb.js";
import { pause } from "../backoff.js";
import { usageError } from "../errors.js";
import { type ActionOptions, type Asked, askedFrom, lookFor, perform, targetOf } from "./action-request.js";
import { tellResult } from "./action-result.js";
import { confirm } from "./confirm.js";
import { type Context, confirmationRequired } from "./context.js";
import { framed } from "./dialog-frame.js";
import { printable } from "./printable.js";
import { type Look, lookAt } from "./resolve-ref.js";
import { panePlace } from "./tables.js";

export interface AnswerOptions extends ActionOptions {
  readonly promptId?: string | undefined;
  readonly yes?: boolean | undefined;
  readonly forceTruncated?: boolean | undefined;
}

type Verb = "approve" | "deny";

const QUESTIONS: Readonly<Record<Verb, string>> = {
  approve: "Approve that, this once?",
  deny: "Deny that?",
};

/** How long a dialog may take until its text has been read, in milliseconds. */
const READ_MS = 2_000;
const POLL_MS = 100;

/** The dialog that the user named, by its id or with the item that had it. Throws E_INVALID_ARGUMENT. */
function namedPrompt({ promptId }: AnswerOptions, { expected }: Asked): string | undefined {
  const listed = expected?.promptId;
  if (promptId === "") throw usageError("--prompt-id", "--prompt-id: is empty");
  if (promptId !== undefined && listed !== undefined && promptId !== listed)
    throw usageError("--prompt-id", "--prompt-id: the item of --expect has another dialog");
  return promptId ?? listed;
}

function instead(verb: Verb, ref: string): string {
  return `say which dialog: agtmux list panes --json gives its prompt_id, then agtmux ${verb} ${ref} --prompt-id ID (--yes: whatever is open now)`;
}

/** Looks again for a short while where a dialog is open whose text has not been read yet. */
async function untilRead(context: Context, first: Look): Promise<Look> {
  const until = performance.now() + READ_MS;
  let look = first;
  while (look.pane?.agent?.state === AgentState.WAITING_APPROVAL && look.pane.agent.promptId === "") {
    if (performance.now() >= until || context.io.signal.aborted) break;
    await pause(POLL_MS, context.io.signal);
    look = await lookAt(context, first.ref);
  }
  return look;
}

/** Shows the open dialog and asks. Throws E_CONFIRMATION_REQUIRED unless the user says yes to that very text. */
async function showAndAsk({ io }: Context, verb: Verb, { pane, ref }: Look): Promise<void> {
  if (pane?.agent === undefined) return;
  const { agentType, promptText } = pane.agent;
  if (promptText.trim() === "") {
    const message = `the dialog's text is not known, so it cannot be shown; look: agtmux view-output ${ref}`;
    throw confirmationRequired(message);
  }
  const head = `${printable(agentType)} in ${panePlace(pane)} asks:`;
  const { columns } = io.stderr.size();
  io.stderr.write(`${[head, ...framed(promptText, columns)].join("\n")}\n`);
  await confirm(io, QUESTIONS[verb]);
}

async function answer(context: Context, verb: Verb, ref: string, options: AnswerOptions): Promise<void> {
  const { io } = context;
  const asked = await askedFrom(io, ref, options);
  let promptId = namedPrompt(options, asked);
  const mayTake = options.yes === true;
  if (promptId === undefined && !mayTake && io.ask === undefined)
    throw confirmationRequired(instead(verb, ref));
  let look = await lookFor(context, asked);
  if (promptId === undefined) {
    look = await untilRead(context, look);
    // Without an open dialog there is nothing to ask about: the daemon says what is wrong.
    promptId = look.pane?.agent?.promptId ?? "";
    if (promptId !== "" && !mayTake) await showAndAsk(context, verb, look);
  }
  const request = {
    target: targetOf(io, asked, look),
    promptId,
    forceTruncated: options.forceTruncated ?? false,
  };
  const client = context.client(ActionService);
  const made = await perform<ApproveResponse | DenyResponse>(asked.requestRef, (call) =>
    client[verb](request, call),
  );
  const effect = { name: "closed", outcome: made.closed, wanted: true };
  tellResult(context, { answer: made, look, effect, json: options.json });
}

/** `agtmux approve REF`: the once-only yes to a dialog that the user has seen or named. */
export function approve(context: Context, ref: string, options: AnswerOptions): Promise<void> {
  return answer(context, "approve", ref, options);
}

/** `agtmux deny REF`: the plain no. */
export function deny(context: Context, ref: string, options: AnswerOptions): Promise<void> {
  return answer(context, "deny", ref, options);
}
