import { bareLags } from "../support/bare-lags.js";
import { openCrowd } from "../support/crowd.js";
import { Flips } from "../support/flips.js";
import { follow } from "../support/follow.js";
import { openLoop } from "../support/pacing.js";
import type { Row } from "../support/row.js";
import { summarize } from "../support/statistics.js";

/** The profile's rate (docs/spec.md section 14). */
const PER_SECOND = 10;
const MEASURED_MS = 12_000;
const BASELINE_MS = 5_000;

/** From the moment a hook's call begins to the moment a client's open stream has shown its effect. */
export const eventToWatcher: Row = {
  name: "event-to-watcher",
  deadlineMs: () => 90_000,
  async run(context) {
    const { scene, voices } = await openCrowd(context);
    const flips = new Flips(voices);
    const lags: number[] = [];
    await follow(scene.client, context.resources, {}, (message) => {
      for (const sentAt of flips.take(message)) lags.push(performance.now() - sentAt);
    });
    await openLoop(PER_SECOND, MEASURED_MS, (index) => flips.send(scene.client, index));
    await flips.settle();
    const told = summarize(lags);
    const bare = summarize(await bareLags(context, 1, PER_SECOND, BASELINE_MS));
    const what = "bare node:http call and stream";
    return [
      {
        name: "event → watcher, p95",
        value: told.p95,
        unit: "ms",
        budget: { kind: "at most", value: 20 },
        baseline: { what, value: bare.p95, unit: "ms" },
        samples: told,
      },
      {
        name: "event → watcher, p99",
        value: told.p99,
        unit: "ms",
        budget: { kind: "at most", value: 100 },
        baseline: { what, value: bare.p99, unit: "ms" },
      },
    ];
  },
};
