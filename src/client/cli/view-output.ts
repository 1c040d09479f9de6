import { ActionService, ResultCode, type ViewOutputResponse } from "../../../gen/agtmux/v1/action_pb.js";
import { type ActionOptions, askedFrom, lookFor, perform, targetOf } from "./action-request.js";
import { actionResultJson, resultOf, tellResult } from "./action-result.js";
import type { Context } from "./context.js";
import { fact, type JsonObject } from "./json.js";
import { colored, printable, printableLines, safeJson } from "./printable.js";
import { wholeNumber } from "./read-options.js";

export interface ViewOutputOptions extends ActionOptions {
  readonly lines?: string | undefined;
  readonly colors?: boolean | undefined;
}

const MOST = 10_000;

export function viewOutputJson(answer: ViewOutputResponse, safe: (line: string) => string): JsonObject {
  const prompt = { ...fact("prompt_id", printable(answer.promptId)) };
  return actionResultJson(answer, undefined, {
    lines: answer.lines.map(safe),
    truncated: answer.truncated,
    ...prompt,
    ...("prompt_id" in prompt ? fact("prompt_text", printableLines(answer.promptText)) : {}),
  });
}

/** `agtmux view-output REF` */
export async function viewOutput(context: Context, ref: string, options: ViewOutputOptions): Promise<void> {
  const { io } = context;
  const { colors = false, json = false } = options;
  const lines = wholeNumber("--lines", options.lines, MOST);
  const asked = await askedFrom(io, ref, options);
  const look = await lookFor(context, asked);
  const request = { target: targetOf(io, asked, look), lines, colors };
  const client = context.client(ActionService);
  const answer = await perform(asked.requestRef, (call) => client.viewOutput(request, call));
  if (resultOf(answer).resultCode !== ResultCode.OK) return tellResult(context, { answer, look, json });
  const safe = colors ? colored : printable;
  if (json) io.stdout.write(`${safeJson(viewOutputJson(answer, safe), 2)}\n`);
  else io.stdout.write(answer.lines.map((line) => `${safe(line)}\n`).join(""));
}
