import { create } from "@bufbuild/protobuf";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type HookFile,
  HookFileAction,
  HookFileSchema,
  type HookTrace,
} from "../../../gen/agtmux/v1/hook_pb.js";
import { applyChange, removeScript, type ScriptChange, scriptChange, writeScript } from "./hook-apply.js";
import { type HookChange, HookRefusal, hookFileOf, installChange, removeChange } from "./hook-change.js";
import {
  fileErrors,
  findFile,
  type HookHost,
  isPresent,
  type PlannedAgent,
  settingsPath,
} from "./hook-look.js";
import { wantedHooks } from "./hook-settings.js";
import { tracesOf } from "./hook-traces.js";

/** What was done, or would be. One agent's refusal does not keep another's hooks from being installed. */
export interface HookOutcome {
  /** In order; a refused file stands here as UNCHANGED with the reason. */
  readonly files: readonly HookFile[];
  readonly traces: readonly HookTrace[];
  readonly refusals: readonly HookRefusal[];
}

type Decide = (host: HookHost, agent: PlannedAgent) => Promise<HookChange>;

const decideInstall: Decide = async (host, agent) =>
  installChange(
    await findFile(host, agent),
    wantedHooks(agent.plan, agent.agentType, host.scriptPath),
    host.scriptPath,
  );

const decideRemove: Decide = async (host, agent) =>
  removeChange(await findFile(host, agent), host.scriptPath);

/** Tells what `applyHooks` or `removeHooks` would do now; changes nothing. */
export async function planHooks(host: HookHost, remove: boolean): Promise<HookOutcome> {
  return remove ? uninstall(host, tellOnly) : install(host, tellOnly);
}

/**
 * Installs the script and every wanted agent's entries. Twice is the same as once. Throws HookRefusal if the script
 * cannot be written (nothing else is touched then), and what the file port throws when the host is out of reach.
 */
export async function applyHooks(host: HookHost): Promise<HookOutcome> {
  return inTurn(host, () => install(host, applyChange));
}

/** Takes out every wanted agent's entries, and the script once no agent has any. Throws as `applyHooks` does. */
export async function removeHooks(host: HookHost): Promise<HookOutcome> {
  return inTurn(host, () => uninstall(host, applyChange));
}

/** Puts a change in place; false if the file changed since it was looked at. */
type Carry = (host: HookHost, change: HookChange) => Promise<boolean>;

const tellOnly: Carry = () => Promise.resolve(true);

interface Settled {
  readonly changes: readonly HookChange[];
  readonly refusals: readonly HookRefusal[];
}

async function install(host: HookHost, carry: Carry): Promise<HookOutcome> {
  const agents = await wantedAgents(host, (agent) => isPresent(host, agent));
  const planned = await settle(host, agents, decideInstall, tellOnly);
  if (planned.changes.length === 0) return outcome(host, agents, planned, planned.changes, [], false);
  const script = await scriptChange(host);
  // First, so that no entry ever names a script that is not there.
  if (carry !== tellOnly) await writeScript(host, script);
  const done = await settle(host, agents, decideInstall, carry);
  return outcome(host, agents, done, done.changes, [scriptFile(host, script)], false);
}

async function uninstall(host: HookHost, carry: Carry): Promise<HookOutcome> {
  const agents = await wantedAgents(host, () => Promise.resolve(true));
  const before = await settle(host, agents, decideRemove, tellOnly);
  const done = carry === tellOnly ? before : await settle(host, agents, decideRemove, carry);
  const script = await scriptChange(host);
  const named = new Set(agents.map(({ agentType }) => agentType));
  const others = host.plans.filter(({ agentType }) => !named.has(agentType));
  const used = done.refusals.length > 0 || (await anyInstalled(host, others));
  if (!used && carry !== tellOnly) await removeScript(host);
  const files = script.before === undefined ? [] : [removedScriptFile(host, script, used)];
  // What there is to tell is about the entries as they were.
  return outcome(host, agents, done, before.changes, files, true);
}

/** A wanted agent that has no hooks is refused; without wishes, those that `unnamed` lets through. */
async function wantedAgents(
  host: HookHost,
  unnamed: (agent: PlannedAgent) => Promise<boolean>,
): Promise<readonly PlannedAgent[]> {
  for (const name of host.agents) {
    if (host.plans.some(({ agentType }) => agentType === name)) continue;
    throw new HookRefusal(
      name,
      "",
      ErrorCode.E_INVALID_ARGUMENT,
      `no hooks are known for an agent named "${name}"`,
    );
  }
  const wanted: PlannedAgent[] = [];
  for (const agent of host.plans) {
    if (host.agents.length > 0 ? host.agents.includes(agent.agentType) : await unnamed(agent))
      wanted.push(agent);
  }
  return wanted;
}

async function settle(
  host: HookHost,
  agents: readonly PlannedAgent[],
  decide: Decide,
  carry: Carry,
): Promise<Settled> {
  const changes: HookChange[] = [];
  const refusals: HookRefusal[] = [];
  for (const agent of agents) {
    const named = { agentType: agent.agentType, path: settingsPath(host, agent) };
    try {
      changes.push(await fileErrors(named, () => carried(host, agent, decide, carry)));
    } catch (cause) {
      if (!(cause instanceof HookRefusal)) throw cause;
      refusals.push(cause);
    }
  }
  return { changes, refusals };
}

async function carried(
  host: HookHost,
  agent: PlannedAgent,
  decide: Decide,
  carry: Carry,
): Promise<HookChange> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const change = await decide(host, agent);
    if (await carry(host, change)) return change;
  }
  const path = settingsPath(host, agent);
  const message = "is being changed by another program just now; it is left as that program wrote it";
  throw new HookRefusal(agent.agentType, path, ErrorCode.E_PRECONDITION_FAILED, message);
}

async function anyInstalled(host: HookHost, agents: readonly PlannedAgent[]): Promise<boolean> {
  const { changes, refusals } = await settle(host, agents, decideRemove, tellOnly);
  // A file that cannot be read may name the script.
  return refusals.length > 0 || changes.some(({ action }) => action !== HookFileAction.UNCHANGED);
}

async function outcome(
  host: HookHost,
  agents: readonly PlannedAgent[],
  { changes, refusals }: Settled,
  told: readonly HookChange[],
  scripts: readonly HookFile[],
  remove: boolean,
): Promise<HookOutcome> {
  const shown = changes.filter(
    ({ file, action }) =>
      host.agents.length > 0 || action !== HookFileAction.UNCHANGED || file.bytes !== undefined,
  );
  const refused = refusals.map(({ agentType, path, message }) =>
    create(HookFileSchema, {
      agentType,
      path,
      action: HookFileAction.UNCHANGED,
      summary: `refused: ${message}`,
    }),
  );
  const files = [...shown.map(hookFileOf), ...refused];
  const traces: HookTrace[] = [];
  for (const change of told) {
    const plan = agents.find(({ agentType }) => agentType === change.file.agentType)?.plan;
    traces.push(...(await tracesOf(host, change, plan?.notice ?? "", remove)));
  }
  return { files: remove ? [...files, ...scripts] : [...scripts, ...files], traces, refusals };
}

function scriptFile(host: HookHost, { before, after, same }: ScriptChange): HookFile {
  const action = same
    ? HookFileAction.UNCHANGED
    : before === undefined
      ? HookFileAction.CREATE
      : HookFileAction.UPDATE;
  const summary = same ? "the hook script, up to date" : "the hook script";
  return create(HookFileSchema, { path: host.scriptPath, action, summary, bytesAfter: BigInt(after.length) });
}

function removedScriptFile(host: HookHost, { before }: ScriptChange, used: boolean): HookFile {
  return create(HookFileSchema, {
    path: host.scriptPath,
    action: used ? HookFileAction.UNCHANGED : HookFileAction.REMOVE,
    summary: used ? "the hook script stays: another file may name it" : "the hook script",
    bytesAfter: BigInt(used ? (before?.length ?? 0) : 0),
  });
}

const turns = new Map<string, Promise<unknown>>();

/** Two installs on one state directory would take each other's temporary files. */
async function inTurn<T>(host: HookHost, work: () => Promise<T>): Promise<T> {
  const before = turns.get(host.stateDir);
  const mine = (async () => {
    await before?.catch(() => undefined); // its caller has been told
    return work();
  })();
  turns.set(host.stateDir, mine);
  try {
    return await mine;
  } finally {
    if (turns.get(host.stateDir) === mine) turns.delete(host.stateDir);
  }
}
