import { AgentState, TargetKind } from "../../../src/client/index.js";
import { Scene } from "../../daemon/support/scene.js";
import { eventually } from "../../support/daemon.js";
import { SshClientHome } from "../../targets/ssh/sshd.js";
import { addAgents } from "./crowd.js";
import { OwnHost } from "./own-host.js";
import type { RowContext } from "./row.js";

const LISTED_MS = 60_000;
const CONNECT_MS = 45_000;

/** A daemon with idle agents on its own host and on ssh targets; all of them are listed. */
export interface Fleet {
  readonly scene: Scene;
  /** The ssh targets, by their names there. */
  readonly hosts: readonly OwnHost[];
  readonly daemonPid: number;
}

export interface FleetSize {
  /** Agents on the daemon's host. */
  readonly local: number;
  readonly targets: number;
  /** Agents on each ssh target. */
  readonly each: number;
  /** Panes without an agent on each ssh target. */
  readonly plain?: number;
}

export async function openFleet({ resources }: RowContext, size: FleetSize): Promise<Fleet> {
  const { local, targets, each, plain = 0 } = size;
  const home = new SshClientHome();
  resources.add(() => home.close());
  const env = { NODE_OPTIONS: process.env["AGTMUX_BENCH_DAEMON"], AGTMUX_SSH_CONFIG: home.configFile };
  const scene = await Scene.start({ env });
  resources.add(() => scene.close());
  if (local > 0) await addAgents(scene, 0, local, (agent) => agent.say("idle"));
  else await scene.client.targets.removeTarget({ name: "lab" });
  const hosts: OwnHost[] = [];
  for (let index = 0; index < targets; index++) {
    const host = await OwnHost.start(`vm${index + 1}`, home);
    resources.add(() => host.close());
    await host.fill(scene.agentCommand, each, plain);
    hosts.push(host);
  }
  home.write(hosts.map(({ section }) => section).join(""));
  home.know(hosts.map(({ sshd }) => sshd));
  for (const { name, socketPath } of hosts) {
    const target = { name, kind: TargetKind.SSH, tmuxSocket: socketPath };
    await scene.client.targets.addTarget(target, { timeoutMs: CONNECT_MS });
  }
  const agents = local + targets * each;
  const idle = async (): Promise<number> => {
    const { panes } = await scene.client.state.listPanes({});
    return panes.filter(({ agent }) => agent?.state === AgentState.IDLE).length;
  };
  await eventually(`${agents} agents to be idle`, async () => (await idle()) === agents, LISTED_MS);
  return { scene, hosts, daemonPid: scene.daemon.child.pid ?? 0 };
}
