import { readFileSync } from "node:fs";
import { type FakeAgent, Scene } from "../../daemon/support/scene.js";
import { eventually } from "../../support/daemon.js";
import { HookVoice } from "./hook-voice.js";
import type { RowContext } from "./row.js";

/** The profile's agents (docs/spec.md section 14). */
export const AGENTS = 60;

const PANES_PER_WINDOW = 4;
const PANES_PER_SESSION = 12;
const LISTED_MS = 30_000;

/** A real daemon that observes a real tmux server with agents in it; all of them are listed. */
export interface Crowd {
  readonly scene: Scene;
  readonly agents: readonly FakeAgent[];
  /** One for each agent, in the agents' order. */
  readonly voices: readonly HookVoice[];
  readonly daemonPid: number;
}

/** Starts agents in panes, as people do: some windows a session, some panes a window. */
export async function addAgents(
  scene: Scene,
  from: number,
  to: number,
  prepare: (agent: FakeAgent) => void = () => undefined,
): Promise<FakeAgent[]> {
  const agents = Array.from({ length: to - from }, (_, offset) => {
    const index = from + offset;
    const session = `work${Math.floor(index / PANES_PER_SESSION)}`;
    if (index % PANES_PER_SESSION === 0) {
      return scene.agent("new-session", "-d", "-s", session, "-x", "200", "-y", "100");
    }
    if (index % PANES_PER_WINDOW === 0)
      return scene.agent("new-window", "-d", "-a", "-t", `=${session}:{end}`);
    return scene.agent("split-window", "-d", "-t", `=${session}:{end}`);
  });
  for (const agent of agents) {
    await eventually(
      "the agent to run",
      () => readFileSync(`/proc/${agent.pid}/comm`, "utf8").trim() === "claude",
    );
    prepare(agent);
  }
  await eventually(
    `${to} agents to be listed`,
    async () => {
      const { panes } = await scene.client.state.listPanes({});
      return panes.filter(({ agent }) => agent !== undefined).length === to;
    },
    LISTED_MS,
  );
  return agents;
}

/**
 * Opens the benchmark's profile with one local target. Agents have no session file unless `prepare` writes one: then
 * the hooks alone decide the state, and every turn shows.
 */
export async function openCrowd(
  { resources }: RowContext,
  count = AGENTS,
  prepare?: (agent: FakeAgent) => void,
): Promise<Crowd> {
  // Options of Node for the daemon alone, to profile it: docs/performance.md.
  const env = { NODE_OPTIONS: process.env["AGTMUX_BENCH_DAEMON"] };
  const scene = await Scene.start({ env });
  resources.add(() => scene.close());
  const agents = await addAgents(scene, 0, count, prepare);
  const server = { socketPath: scene.terminal.socketPath, pid: scene.terminal.pid() };
  const voices = agents.map((agent) => new HookVoice(agent, server));
  return { scene, agents, voices, daemonPid: scene.daemon.child.pid ?? 0 };
}
