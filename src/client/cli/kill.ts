import { randomUUID } from "node:crypto";
import { ActionService, KillMode, type KillResponse, KillSignal } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { toAgtmuxError, usageError } from "../errors.js";
import {
  type ActionAim,
  type ActionOptions,
  askedFrom,
  callOptions,
  lookFor,
  perform,
  targetOf,
} from "./action-request.js";
import { tellResult } from "./action-result.js";
import { confirm } from "./confirm.js";
import { type Context, confirmationRequired } from "./context.js";
import type { Look } from "./resolve-ref.js";
import { panePlace } from "./tables.js";
import { stateWord } from "./words.js";

export interface KillOptions extends ActionOptions {
  readonly signal?: string | undefined;
  readonly mode?: string | undefined;
  readonly yes?: boolean | undefined;
}

interface Request {
  readonly target: ActionAim;
  readonly mode: KillMode;
  readonly signal: KillSignal;
}

const SIGNALS: Readonly<Record<string, KillSignal>> = {
  INT: KillSignal.INT,
  TERM: KillSignal.TERM,
  KILL: KillSignal.KILL,
};

/** How to end the agent. Throws E_INVALID_ARGUMENT. */
function mannerOf(options: KillOptions): { readonly mode: KillMode; readonly signal: KillSignal } {
  const name = options.signal ?? "INT";
  const signal = SIGNALS[name];
  if (signal === undefined) throw usageError("--signal", `--signal: "${name}" is not INT, TERM or KILL`);
  const mode = options.mode ?? (signal === KillSignal.INT ? "key" : "signal");
  if (mode !== "key" && mode !== "signal")
    throw usageError("--mode", `--mode: "${mode}" is neither key nor signal`);
  if (mode === "key" && signal !== KillSignal.INT)
    throw usageError("--mode", `--mode: a key can only be INT, as C-c; ${name} is for --mode signal`);
  return { mode: mode === "key" ? KillMode.KEY : KillMode.SIGNAL, signal };
}

function question({ pane, ref }: Look, effect: string): string {
  if (pane?.agent === undefined) return `Kill what runs in ${ref}? ${effect}.`;
  const { agentType, state } = pane.agent;
  return `Kill ${agentType} in ${panePlace(pane)}, which is ${stateWord(state)}? ${effect}.`;
}

/**
 * Has the user confirm what the daemon says that would happen. It is asked by the request itself, unconfirmed and under a
 * request_ref of its own, so that every guard that would refuse does so before the user is asked.
 */
async function askFirst(context: Context, request: Request, look: Look): Promise<KillResponse | undefined> {
  const asking = { ...request, target: { ...request.target, requestRef: randomUUID() }, confirmed: false };
  try {
    return await context.client(ActionService).kill(asking, callOptions());
  } catch (thrown) {
    const { code, details, message } = toAgtmuxError(thrown);
    if (code !== ErrorCode.E_CONFIRMATION_REQUIRED) throw thrown;
    await confirm(context.io, question(look, details["effect"] || message));
    return undefined;
  }
}

/** `agtmux kill REF`. Without a terminal and without `--yes`: E_CONFIRMATION_REQUIRED. */
export async function kill(context: Context, ref: string, options: KillOptions): Promise<void> {
  const { io } = context;
  const manner = mannerOf(options);
  if (!options.yes && io.ask === undefined)
    throw confirmationRequired(`killing may end the agent's work; say so: agtmux kill ${ref} --yes`);
  const asked = await askedFrom(io, ref, options);
  const look = await lookFor(context, asked);
  const request = { ...manner, target: targetOf(io, asked, look) };
  const client = context.client(ActionService);
  // A daemon that did it without being told to has nothing more to do.
  const done = options.yes ? undefined : await askFirst(context, request, look);
  const answer =
    done ?? (await perform(asked.requestRef, (call) => client.kill({ ...request, confirmed: true }, call)));
  const effect = { name: "ended", outcome: answer.ended, wanted: false };
  tellResult(context, { answer, look, effect, json: options.json });
}
