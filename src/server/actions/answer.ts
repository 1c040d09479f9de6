import { setTimeout as delay } from "node:timers/promises";
import type { ApproveRequest, DenyRequest } from "../../../gen/agtmux/v1/action_pb.js";
import { dialogDigest } from "../adapters/dialog-digest.js";
import { chooseOption, readOptions } from "../adapters/dialog-options.js";
import { invalidArgument } from "../contract-error.js";
import type { ActionOutcome } from "../store/action-store.js";
import type { Agent, Job, Request } from "./desk.js";
import { refused } from "./refusal.js";
import { dialogPins, type Seen } from "./screen-state.js";
import { Stepper } from "./stepper.js";
import { lookUntil } from "./watching.js";

/** Longest wait for the dialog to go. */
const EFFECT_MS = 3_000;

/** The request of an approval or a denial, checked. Throws ContractError E_INVALID_ARGUMENT. */
export function answerRequest(
  type: "approve" | "deny",
  { target, promptId, forceTruncated }: ApproveRequest | DenyRequest,
  caller: string,
): Request {
  if (!/^(?:[0-9a-f]{32})?$/u.test(promptId))
    throw invalidArgument("prompt_id", "is not one that a list gives");
  return {
    type,
    target,
    caller,
    payload: [promptId, String(forceTruncated)],
    deed: type,
    looks: true,
    act: (job) => answer(job, job.agent(), type, { promptId, forceTruncated }),
  };
}

async function answer(
  job: Job,
  agent: Agent,
  type: "approve" | "deny",
  asked: { readonly promptId: string; readonly forceTruncated: boolean },
): Promise<ActionOutcome> {
  await settled(job, agent);
  let read = "";
  const pressed = await new Stepper(job, agent).step((now) => {
    const { text, digest } = openDialog(now, agent, asked);
    const option = chooseOption(readOptions(text, agent.adapter.dialog), agent.adapter.dialog, type);
    if (option === undefined) {
      const plain = type === "approve" ? "a yes for this once" : "a plain no";
      throw refused("no_such_option", `the dialog has no one option that says ${plain}: answer it by hand`);
    }
    read = digest;
    const pins = dialogPins(text);
    const lines = [...(pins.lines ?? []), option.line];
    return () => agent.hand.press(now.look, [String(option.number)], { lines });
  });
  if (pressed.kind === "unknown")
    return { code: "result_unknown", message: pressed.message, effect: "unknown" };
  const after = await lookUntil(agent, EFFECT_MS, (now) => !stands(now, agent, read));
  if (after === undefined)
    return { code: "ok", message: "answered; whether the dialog went does not show", effect: "unknown" };
  if (stands(after, agent, read))
    return { code: "ok", message: "answered, and the dialog is still open", effect: "no" };
  return { code: "ok", message: type === "approve" ? "approved" : "denied", effect: "yes" };
}

/** Waits until a dialog that was drawn a moment ago takes a number. Its text was read when the state last changed, or before. */
async function settled(job: Job, agent: Agent): Promise<void> {
  const drawn = agent.now()?.state.updatedAt ?? 0;
  const left = agent.adapter.dialog.settleMs - (job.now() - drawn) / 1_000;
  if (left > 0) await delay(left);
}

function stands({ dialog, reading }: Seen, { adapter }: Agent, digest: string): boolean {
  return dialog && reading !== undefined && dialogDigest(reading, adapter.screen) === digest;
}

/** The dialog that the caller has read, if that is what stands on the screen. Throws the refusal. */
function openDialog(
  { dialog, reading }: Seen,
  agent: Agent,
  { promptId, forceTruncated }: { readonly promptId: string; readonly forceTruncated: boolean },
): { readonly text: string; readonly digest: string } {
  const runtime = agent.now();
  const known = runtime?.state.promptId ?? "";
  if (known === "") throw refused("prompt_not_seen", "the dialog's text has not been read yet: look again");
  if (promptId === "") throw invalidArgument("prompt_id", "is required: that of the dialog that was read");
  if (known !== promptId)
    throw refused("prompt_changed", "another dialog is open than the one that was read: read it first");
  if (!dialog || reading === undefined)
    throw refused("prompt_gone", "the dialog is not on the screen any more");
  const digest = dialogDigest(reading, agent.adapter.screen);
  const { dialogText: text } = reading;
  if (digest === undefined || text === undefined || digest !== runtime?.fold.status.dialog?.digest)
    throw refused("prompt_changed", "the dialog on the screen is not the one that was read: read it first");
  if (reading.cut === true && !forceTruncated)
    throw refused("prompt_truncated", "the dialog does not fit the screen: enlarge the pane, or force it");
  return { text, digest };
}
