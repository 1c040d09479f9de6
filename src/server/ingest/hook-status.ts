import { create } from "@bufbuild/protobuf";
import {
  HookInstallState,
  type HookStatus,
  HookStatusSchema,
  type HookTrace,
} from "../../../gen/agtmux/v1/hook_pb.js";
import { type ScriptChange, scriptChange } from "./hook-apply.js";
import { HookRefusal, settingsOf } from "./hook-change.js";
import {
  activityOf,
  fileErrors,
  findFile,
  type HookHost,
  isPresent,
  type PlannedAgent,
  settingsPath,
} from "./hook-look.js";
import { wantedHooks } from "./hook-settings.js";
import { foreignTraces } from "./hook-traces.js";

export interface HookStatuses {
  /** By agent type: the wanted ones, or all that have hooks at all. */
  readonly agents: readonly HookStatus[];
  readonly traces: readonly HookTrace[];
  readonly scriptPath: string;
}

interface Found {
  readonly state: HookInstallState;
  readonly message: string;
  readonly traces: readonly HookTrace[];
}

/** Tells whether hooks are in place and whether the agents will run them. Throws what the file port throws. */
export async function hookStatus(host: HookHost): Promise<HookStatuses> {
  const script = await scriptChange(host);
  const agents: HookStatus[] = [];
  const traces: HookTrace[] = [];
  for (const agent of host.plans.toSorted((a, b) => (a.agentType < b.agentType ? -1 : 1))) {
    if (host.agents.length > 0 && !host.agents.includes(agent.agentType)) continue;
    const { state, message, traces: own } = await found(host, agent, script);
    const { agentType } = agent;
    const path = settingsPath(host, agent);
    const agentPresent = await isPresent(host, agent);
    agents.push(create(HookStatusSchema, { agentType, path, state, message, agentPresent }));
    traces.push(...own);
  }
  return { agents, traces, scriptPath: host.scriptPath };
}

async function found(host: HookHost, agent: PlannedAgent, script: ScriptChange): Promise<Found> {
  try {
    const path = settingsPath(host, agent);
    return await fileErrors({ agentType: agent.agentType, path }, () => look(host, agent, script));
  } catch (cause) {
    if (!(cause instanceof HookRefusal)) throw cause;
    return { state: HookInstallState.UNREADABLE, message: cause.message, traces: [] };
  }
}

async function look(host: HookHost, agent: PlannedAgent, script: ScriptChange): Promise<Found> {
  const file = await findFile(host, agent);
  const settings = settingsOf(file, host.scriptPath);
  if (settings === undefined) return { state: HookInstallState.ABSENT, message: "no hooks file", traces: [] };
  const wanted = wantedHooks(agent.plan, agent.agentType, host.scriptPath);
  const activity = await activityOf(host, file, settings);
  const traces = foreignTraces(file, settings, activity, false);
  if (settings.ours().length === 0) {
    return { state: HookInstallState.ABSENT, message: "no entry of ours", traces };
  }
  if (!settings.matches(wanted)) {
    return {
      state: HookInstallState.OUTDATED,
      message: "entries differ from this version's: install again",
      traces,
    };
  }
  if (!script.same) {
    const what = script.before === undefined ? "missing" : "not this version's";
    return { state: HookInstallState.OUTDATED, message: `the hook script is ${what}: install again`, traces };
  }
  if (activity.inactive !== undefined) {
    return { state: HookInstallState.INACTIVE, message: activity.inactive, traces };
  }
  return { state: HookInstallState.CURRENT, message: `${wanted.size} hooks in place`, traces };
}
