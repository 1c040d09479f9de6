import { setTimeout as delay } from "node:timers/promises";
import { ChangeOp, type WatchResponse } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import { openCrowd } from "../support/crowd.js";
import { follow } from "../support/follow.js";
import { timed } from "../support/pacing.js";
import type { Row } from "../support/row.js";
import { summarize } from "../support/statistics.js";

const ROUNDS = 10;
const BASELINE_RUNS = 20;
/** The daemon looks once a second: a change must be as likely at every moment between two looks. */
const LOOK_MS = 1_000;
const PLAIN = "exec sleep 100000";

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
    const seen = new Map<string, number>();
    const note = ({ changes }: WatchResponse): void => {
      for (const { op, identity } of changes) {
        if (identity.case === "pane") seen.set(`${identity.value.paneId} ${op}`, performance.now());
      }
    };
    await follow(scene.client, context.resources, { filter: { includePlain: true } }, note);

    const lag = async (op: ChangeOp, act: () => string): Promise<{ lag: number; paneId: string }> => {
      const began = performance.now();
      const paneId = act();
      const key = `${paneId} ${op}`;
      const at = await eventually(`${paneId} to be told`, () => seen.get(key));
      return { lag: at - began, paneId };
    };
    const making = (...words: string[]) =>
      lag(ChangeOp.UPSERT, () => scene.tmux(...words, "-P", "-F", "#{pane_id}", PLAIN));
    const ending = (paneId: string, ...words: string[]) =>
      lag(ChangeOp.DELETE, () => {
        scene.tmux(...words);
        return paneId;
      });

    const announced: number[] = [];
    const silent: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const session = `announced${round}`;
      const made = await making("new-session", "-d", "-s", session);
      const gone = await ending(made.paneId, "kill-session", "-t", `=${session}`);
      announced.push(made.lag, gone.lag);
    }
    for (let round = 0; round < ROUNDS; round++) {
      await delay(Math.random() * LOOK_MS);
      const made = await making("split-window", "-d", "-t", first.paneId);
      await delay(Math.random() * LOOK_MS);
      const gone = await ending(made.paneId, "kill-pane", "-t", made.paneId);
      silent.push(made.lag, gone.lag);
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
