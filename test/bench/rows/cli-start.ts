import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Scene } from "../../daemon/support/scene.js";
import { AGENTS, addAgents, openCrowd } from "../support/crowd.js";
import { timed } from "../support/pacing.js";
import type { Figure, Row } from "../support/row.js";
import { median, rounded, summarize } from "../support/statistics.js";

const FEW = 3;
const RUNS = 21;

/** The built `agtmux list panes` on a running daemon, from its start to its end, against Node doing nothing. */
export const cliStart: Row = {
  name: "cli-start",
  deadlineMs: () => 90_000,
  async run(context) {
    const { scene } = await openCrowd(context, FEW);
    const few = await compare(scene, FEW);
    await addAgents(scene, FEW, AGENTS);
    return [few, await compare(scene, AGENTS)];
  },
};

async function compare({ daemon }: Scene, panes: number): Promise<Figure> {
  const agtmux = join(import.meta.dirname, "agtmux.mjs");
  const env = { PATH: process.env["PATH"], HOME: daemon.root, AGTMUX_STATE_DIR: daemon.stateDir };
  const run = (...words: string[]) =>
    timed(() => {
      const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
      if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}: ${stderr}`);
    });
  const listed: number[] = [];
  const bare: number[] = [];
  for (let at = 0; at < RUNS; at++) {
    bare.push(await run("-e", "0"));
    listed.push(await run(agtmux, "list", "panes"));
  }
  return {
    name: `agtmux list panes, ${panes} panes, of node -e 0`,
    value: median(listed) / median(bare),
    unit: "×",
    budget: { kind: "at most", value: 2.5 },
    baseline: { what: "node -e 0", value: median(bare), unit: "ms" },
    samples: summarize(listed),
    facts: { "samples are": "ms a run", "median ms": rounded(median(listed)) },
  };
}
