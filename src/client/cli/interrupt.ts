import { ActionService } from "../../../gen/agtmux/v1/action_pb.js";
import { type ActionOptions, askedFrom, lookFor, perform, targetOf } from "./action-request.js";
import { tellResult } from "./action-result.js";
import type { Context } from "./context.js";

/** `agtmux interrupt REF`: stops the turn and keeps the program. */
export async function interrupt(context: Context, ref: string, options: ActionOptions): Promise<void> {
  const { io } = context;
  const asked = await askedFrom(io, ref, options);
  const look = await lookFor(context, asked);
  const request = { target: targetOf(io, asked, look) };
  const client = context.client(ActionService);
  const answer = await perform(asked.requestRef, (call) => client.interrupt(request, call));
  const effect = { name: "stopped", outcome: answer.stopped, wanted: true };
  tellResult(context, { answer, look, effect, json: options.json });
}
