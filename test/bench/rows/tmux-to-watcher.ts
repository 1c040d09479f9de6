import { setTimeout as delay } from "node:timers/promises";
import { openCrowd } from "../support/crowd.js";
import { timed } from "../support/pacing.js";
import type { Row } from "../support/row.js";
import { summarize } from "../support/statistics.js";
import { TmuxLags } from "../support/tmux-lags.js";

const ROUNDS = 10;
const BASELINE_RUNS = 20;
/** The daemon looks once a second: a change must be as likely at every moment between two looks. */
const LOOK_MS = 1_000;

/** From a change of a tmux server to the moment a client's open stream has shown it. */
export const tmuxToWatcher: Row = {
  name: "tmux-to-watcher",
  deadlineMs: () => 180_000,
  async run(context) {
    const { scene, agents } = await openCrowd(context);
    // Something is active from now on: the budget of silent changes says so.
    const [first] = agents;
    if (first === undefined) throw new Error("no agents");
    await scene.untilState(first, "busy");
    const lags = await TmuxLags.open(scene.client, context.resources, "lab", scene.tmux);

    const announced = await lags.announced();
    const silent: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await delay(Math.random() * LOOK_MS);
      const made = await lags.making("split-window", "-d", "-t", first.paneId);
      await delay(Math.random() * LOOK_MS);
      silent.push(made.lag, await lags.ending(made.paneId, "kill-pane", "-t", made.paneId));
    }
    const bare: number[] = [];
    for (let run = 0; run < BASELINE_RUNS; run++) {
      bare.push(await timed(() => void scene.tmux("list-panes", "-a", "-F", "#{pane_id} #{pane_pid}")));
    }

    const baseline = { what: "tmux list-panes -a", value: summarize(bare).median, unit: "ms" } as const;
    const heard = summarize(announced);
    const found = summarize(silent);
    return [
      {
        name: "announced tmux change → watcher, p95",
        value: heard.p95,
        unit: "ms",
        budget: { kind: "at most", value: 300 },
        baseline,
        samples: heard,
      },
      {
        name: "silent tmux change → watcher, p95",
        value: found.p95,
        unit: "ms",
        budget: { kind: "at most", value: 1_200 },
        baseline,
        samples: found,
      },
    ];
  },
};
