import { openCrowd } from "../support/crowd.js";
import { Flips } from "../support/flips.js";
import { follow } from "../support/follow.js";
import { closedLoop, timed } from "../support/pacing.js";
import { Resources } from "../support/resources.js";
import type { Row } from "../support/row.js";
import { summarize } from "../support/statistics.js";

const MISSED = 10_000;
const RUNS = 7;
const SLICE_MS = 500;

/** A client comes back with the cursor of 10 000 changes ago: how long until it knows what is now. */
export const resume: Row = {
  name: "resume",
  deadlineMs: () => 240_000,
  async run(context) {
    const { scene, voices } = await openCrowd(context);
    const flips = new Flips(voices);
    let head = 0n;
    const first = await follow(scene.client, context.resources, {}, (message) => {
      head = message.sequence;
      flips.take(message);
    });
    const { cursor, sequence } = first;
    // Each call by itself: what comes together is one change of the log.
    let index = 0;
    while (head - sequence < BigInt(MISSED)) {
      await closedLoop(1, SLICE_MS, () => flips.send(scene.client, index++));
    }
    await flips.settle();
    const missed = Number(head - sequence);

    const resumed: number[] = [];
    const fresh: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      resumed.push(await timed(() => reach(cursor)));
      fresh.push(await timed(() => reach("")));
    }
    async function reach(from: string): Promise<void> {
      const resources = new Resources();
      const { promise, resolve } = Promise.withResolvers<void>();
      const request = from === "" ? {} : { cursor: from, strict: true };
      try {
        await follow(scene.client, resources, request, (message) => {
          if (message.sequence >= head) resolve();
        });
        await promise;
      } finally {
        await resources.close();
      }
    }
    const took = summarize(resumed);
    return [
      {
        name: `resuming after ${MISSED} missed changes`,
        value: took.median,
        unit: "ms",
        budget: { kind: "at most", value: 200 },
        baseline: { what: "a snapshot instead", value: summarize(fresh).median, unit: "ms" },
        samples: took,
        facts: { missed },
      },
    ];
  },
};
