import { residentMb } from "../support/account.js";
import { BATCH, batchSource, CLIENTS } from "../support/batches.js";
import { openCrowd } from "../support/crowd.js";
import type { Row } from "../support/row.js";
import { mean, rounded, summarize } from "../support/statistics.js";
import { send } from "../support/taken.js";

const QUICK_EVENTS = 100_000;
const LONG_EVENTS = 1_000_000;
const SAMPLES = 200;

/** The daemon's memory while very many events go through it. The first tenth of them is warm-up. */
export const ingestMemory: Row = {
  name: "ingest-memory",
  deadlineMs: ({ long }) => (long ? 3_600_000 : 300_000),
  async run(context) {
    const total = context.options.long ? LONG_EVENTS : QUICK_EVENTS;
    const crowd = await openCrowd(context);
    const { scene, daemonPid } = crowd;
    const next = batchSource(crowd);
    const series: number[] = [residentMb(daemonPid)];
    let asked = 0;
    let taken = 0;
    const began = performance.now();
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, lane) => {
        while (asked < total) {
          asked += BATCH;
          await send(scene.client, next(lane));
          taken += BATCH;
          if (taken >= (series.length * total) / SAMPLES) series.push(residentMb(daemonPid));
        }
      }),
    );
    const seconds = (performance.now() - began) / 1_000;
    const tenth = Math.floor(series.length / 10);
    const early = mean(series.slice(tenth, 2 * tenth));
    const late = mean(series.slice(-tenth));
    return [
      {
        name: `memory over ${total} events: last tenth against the first after warm-up`,
        value: (late / early - 1) * 100,
        unit: "%",
        // Flat, not small: shrinking by itself is no fault.
        budget: { kind: "at most", value: 10 },
        baseline: { what: "before the first event", value: series[0] ?? Number.NaN, unit: "MB" },
        samples: summarize(series),
        series: series.map(rounded),
        facts: {
          "samples and series are": "MB, resident",
          early: rounded(early),
          late: rounded(late),
          events: taken,
          "events per second": Math.round(taken / seconds),
        },
      },
      { name: "memory at most", value: Math.max(...series), unit: "MB" },
    ];
  },
};
