import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { Outcome, TargetKind } from "../../../src/client/index.js";
import { ActionScene, type BoxAgent, type SendInit } from "../../actions/support/actor.js";
import { Scene } from "../../daemon/support/scene.js";
import { LoopbackSshd } from "../../targets/ssh/loopback-sshd.js";
import { timed } from "../support/pacing.js";
import type { Resources } from "../support/resources.js";
import type { Figure, Row } from "../support/row.js";
import { summarize } from "../support/statistics.js";

const RUNS = 100;
/** A daemon that has just started runs code that Node has yet to compile; what it takes until then is told apart. */
const COLD_RUNS = 50;
const SUBMISSIONS = 20;
const ARRIVAL_MS = 5_000;

/** How long text takes from the start of the call until the agent's terminal has it, and until it is submitted. */
export const send: Row = {
  name: "send",
  deadlineMs: () => 180_000,
  async run({ resources }) {
    const here = await opened(resources, undefined);
    const cold = await delivered(here, COLD_RUNS);
    const local = await delivered(here, RUNS);
    const bare = await pasted(here);
    const submitted = await submissions(here);
    const sshd = await LoopbackSshd.start();
    resources.add(() => sshd.close());
    const there = await opened(resources, sshd);
    await delivered(there, COLD_RUNS);
    const remote = await delivered(there, RUNS);
    const baseline = {
      what: "bare tmux load-buffer, paste-buffer",
      value: summarize(bare).p95,
      unit: "ms",
    } as const;
    return [
      figure("send: text delivered, p95", local, 15, baseline),
      figure(`send: the first ${COLD_RUNS} of a new daemon, p95`, cold),
      figure("send: text delivered over ssh, p95", remote, 50, baseline),
      figure("send: text submitted, p95", submitted, 300, baseline),
    ];
  },
};

interface Stage {
  readonly actors: ActionScene;
  readonly agent: BoxAgent;
}

/** A daemon and one agent: on this host, or on one that is reached over ssh. */
async function opened(resources: Resources, sshd: LoopbackSshd | undefined): Promise<Stage> {
  const daemon = { NODE_OPTIONS: process.env["AGTMUX_BENCH_DAEMON"] };
  const scene = await Scene.start({ env: { ...daemon, AGTMUX_SSH_CONFIG: sshd?.configFile } });
  resources.add(() => scene.close());
  const actors = ActionScene.of(scene);
  if (sshd !== undefined) {
    await scene.client.targets.removeTarget({ name: "lab" });
    const tmuxSocket = scene.terminal.socketPath;
    await scene.client.targets.addTarget({ name: "vm1", kind: TargetKind.SSH, tmuxSocket });
  }
  return { actors, agent: await actors.agent() };
}

async function delivered({ actors, agent }: Stage, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const text = `delivery ${run}.`;
    const target = await actors.target(agent);
    const request: SendInit = { text, overDraft: true };
    const began = performance.now();
    const answered = actors.client.actions.send({ target, ...request });
    times.push((await arrival(agent, text)) - began);
    await answered;
  }
  return times;
}

/** When the text has reached the agent's terminal, by the monotonic clock. */
async function arrival(agent: BoxAgent, text: string): Promise<number> {
  const deadline = performance.now() + ARRIVAL_MS;
  while (!agent.received.endsWith(text)) {
    if (performance.now() > deadline) throw new Error("the text did not arrive");
    // Not a busy loop: daemon, tmux and agent need the cores.
    await delay(1);
  }
  return performance.now();
}

async function submissions({ actors, agent }: Stage): Promise<number[]> {
  await agent.show({ draft: "" });
  const times: number[] = [];
  for (let run = 0; run < SUBMISSIONS; run++) {
    const target = await actors.target(agent);
    const call = timed(async () => {
      const { submitted } = await actors.client.actions.send({ target, text: `prompt ${run}`, enter: true });
      if (submitted !== Outcome.YES) throw new Error("it was not submitted");
    });
    times.push(await call);
  }
  return times;
}

async function pasted({ actors, agent }: Stage): Promise<number[]> {
  const { socketPath } = actors.scene.terminal;
  const tmux = (words: readonly string[], input?: string): void => {
    execFileSync("tmux", ["-S", socketPath, ...words], { input, stdio: ["pipe", "ignore", "inherit"] });
  };
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const text = `bare ${run}.`;
    const began = performance.now();
    tmux(["load-buffer", "-b", "bare", "-"], text);
    tmux(["paste-buffer", "-d", "-b", "bare", "-t", agent.paneId]);
    times.push((await arrival(agent, text)) - began);
  }
  return times;
}

function figure(
  name: string,
  times: readonly number[],
  budget?: number,
  baseline?: Figure["baseline"],
): Figure {
  const samples = summarize(times);
  return {
    name,
    value: samples.p95,
    unit: "ms",
    ...(budget === undefined ? {} : { budget: { kind: "at most" as const, value: budget } }),
    ...(baseline === undefined ? {} : { baseline }),
    samples,
  };
}
