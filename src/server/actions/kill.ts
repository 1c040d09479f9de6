import { KillMode, type KillRequest, KillSignal } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { ActionOutcome } from "../store/action-store.js";
import { ExecutorError } from "../targets/executor.js";
import type { ProcessSignal } from "../targets/target-host.js";
import type { Agent, Job, Request } from "./desk.js";
import { unreached } from "./pane-hand.js";
import { Stepper } from "./stepper.js";
import { becomes } from "./watching.js";

/** Longest wait for the agent to end. */
const EFFECT_MS = 3_000;
/** Between two looks whether it has ended, in milliseconds. */
const LOOK_MS = 300;

const SIGNALS: Readonly<Record<KillSignal, ProcessSignal>> = {
  [KillSignal.UNSPECIFIED]: "INT",
  [KillSignal.INT]: "INT",
  [KillSignal.TERM]: "TERM",
  [KillSignal.KILL]: "KILL",
};

/** The request of a kill, checked. Throws ContractError E_INVALID_ARGUMENT or E_CONFIRMATION_REQUIRED. */
export function killRequest({ target, mode, signal, confirmed }: KillRequest, caller: string): Request {
  const name: ProcessSignal | undefined = SIGNALS[signal];
  if (name === undefined) throw invalidArgument("signal", "no such signal");
  if (KillMode[mode] === undefined) throw invalidArgument("mode", "no such mode");
  const byKey = mode !== KillMode.SIGNAL;
  if (byKey && name !== "INT") throw invalidArgument("signal", "TERM and KILL are for mode SIGNAL only");
  return {
    type: "kill",
    target,
    caller,
    payload: [byKey ? "key" : "signal", name, String(confirmed)],
    deed: "kill",
    act: (job) => {
      const agent = job.agent();
      if (!confirmed) throw unconfirmed(agent, byKey, name);
      return byKey ? pressed(job, agent) : signalled(job, agent, name);
    },
  };
}

function unconfirmed({ adapter }: Agent, byKey: boolean, signal: ProcessSignal): ContractError {
  const { ctrlC } = adapter.dialog;
  const what = byKey ? `C-c ${ctrlC.says}` : `SIG${signal} is sent to ${adapter.displayName}`;
  return new ContractError(ErrorCode.E_CONFIRMATION_REQUIRED, `to be confirmed: ${what}`, {
    effect: what,
    may_end: String(!byKey || ctrlC.mayEnd),
  });
}

async function pressed(job: Job, agent: Agent): Promise<ActionOutcome> {
  const record = agent.now()?.record;
  const alone = record !== undefined && record.agentPid === record.panePid;
  const sent = await new Stepper(job, agent).step(
    ({ look }) =>
      () =>
        agent.hand.press(look, ["C-c"], {}),
  );
  if (sent.kind !== "unknown") return ended(job, agent, "C-c was sent");
  const over = await gone(job, agent);
  // It is not there any more when it is looked for, as was asked for. Where it is the pane's own process, nobody else can
  // have got the key; where it was started from a shell, that may have been in front again a moment before.
  if (over && alone) return { code: "ok", message: "C-c was sent, and the agent has ended", effect: "yes" };
  return { code: "result_unknown", message: sent.message, effect: over ? "yes" : "unknown" };
}

async function signalled(job: Job, agent: Agent, signal: ProcessSignal): Promise<ActionOutcome> {
  const runtime = agent.now();
  const { monitor } = job;
  if (runtime === undefined) throw pidUnavailable();
  const { agentPid: pid, agentStartRaw: startRaw, targetId } = runtime.record;
  job.begin();
  let sent: boolean;
  try {
    sent = await monitor.signal({ pid, startRaw }, signal);
  } catch (error) {
    if (error instanceof ExecutorError && ["timeout", "unreachable", "protocol"].includes(error.kind))
      return {
        code: "result_unknown",
        message: `it may have been sent: ${error.message}`,
        effect: "unknown",
      };
    throw unreached(error, targetId);
  }
  if (!sent) throw pidUnavailable();
  return ended(job, agent, `SIG${signal} was sent`);
}

function pidUnavailable(): ContractError {
  return new ContractError(
    ErrorCode.E_PID_UNAVAILABLE,
    "the agent's process is gone: there is nobody to signal",
  );
}

async function gone({ monitor }: Job, agent: Agent): Promise<boolean> {
  // On another host nobody would look for up to two seconds, and an end may take one itself.
  const looks = setInterval(() => monitor.kick(0), LOOK_MS);
  try {
    return await becomes(EFFECT_MS, () => agent.now() === undefined);
  } finally {
    clearInterval(looks);
  }
}

async function ended(job: Job, agent: Agent, what: string): Promise<ActionOutcome> {
  if (await gone(job, agent))
    return { code: "ok", message: `${what}, and the agent has ended`, effect: "yes" };
  return { code: "ok", message: `${what}; the agent runs on`, effect: "no" };
}
