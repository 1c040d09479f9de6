import type { InterruptRequest } from "../../../gen/agtmux/v1/action_pb.js";
import type { AgentState } from "../engine/state.js";
import type { ActionOutcome } from "../store/action-store.js";
import type { Agent, Job, Request } from "./desk.js";
import { dialogPins, noDialogPins } from "./screen-state.js";
import { Stepper } from "./stepper.js";
import { becomes } from "./watching.js";

/** Longest wait for the turn to end; without hooks a refused or interrupted turn shows a second later. */
const EFFECT_MS = 3_000;
const BUSY = new Set<AgentState>(["running", "waiting_approval", "waiting_input"]);

export function interruptRequest({ target }: InterruptRequest, caller: string): Request {
  return {
    type: "interrupt",
    target,
    caller,
    payload: [],
    deed: "interrupt",
    looks: true,
    act: (job) => interrupt(job, job.agent()),
  };
}

async function interrupt(job: Job, agent: Agent): Promise<ActionOutcome> {
  const { dialog: knowledge } = agent.adapter;
  const { runningLine } = knowledge;
  const pressed = await new Stepper(job, agent).step((now) => {
    const { look, dialog, reading } = now;
    const runs = runningLine !== undefined && look.lines.some(({ text }) => text.includes(runningLine));
    // What stands on the screen and would be stopped by the key must still stand there; nothing else may be.
    const pins = dialog
      ? dialogPins(reading?.dialogText ?? "")
      : runs
        ? { present: [runningLine] }
        : noDialogPins(now, agent.adapter);
    return () => agent.hand.press(look, [knowledge.interruptKey], pins);
  });
  if (pressed.kind === "unknown")
    return { code: "result_unknown", message: pressed.message, effect: "unknown" };
  const state = (): AgentState | undefined => agent.now()?.state.status.state;
  const stopped = await becomes(EFFECT_MS, () => !BUSY.has(state() ?? "unknown"));
  if (state() === undefined) return { code: "ok", message: "the agent has ended", effect: "yes" };
  if (!stopped)
    return { code: "ok", message: `interrupted, and the agent is still ${state()}`, effect: "no" };
  return state() === "unknown"
    ? { code: "ok", message: "interrupted; whether the turn stopped does not show", effect: "unknown" }
    : { code: "ok", message: "interrupted", effect: "yes" };
}
