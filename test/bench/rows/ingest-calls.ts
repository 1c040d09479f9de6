import { CpuMeter } from "../support/account.js";
import { bareCall } from "../support/bare-call.js";
import { startBareServer } from "../support/bare-host.js";
import { openBareStore } from "../support/bare-store.js";
import { openCrowd } from "../support/crowd.js";
import { closedLoop, openLoop, timed } from "../support/pacing.js";
import type { Row } from "../support/row.js";
import { inTurn } from "../support/slices.js";
import { summarize } from "../support/statistics.js";
import { send } from "../support/taken.js";

const CONNECTIONS = 8;
const WARM_MS = 1_500;
const ROUNDS = 5;
const SLICE_MS = 800;
const BARE_SLICE_MS = 300;
const MEASURED_MS = 4_000;
/** A quarter of the budget: how long one hook waits, not how long a queue is. */
const MODERATE_PER_SECOND = 200;
const CPU = "daemon's processor ms a call, about";
const BARE_BODY = Buffer.from(JSON.stringify({ events: [{ rawPayload: "A".repeat(600) }] }));

/** Durable events a second, one in each call, and how long one call takes. */
export const ingestCalls: Row = {
  name: "ingest-calls",
  deadlineMs: () => 90_000,
  async run(context) {
    const crowd = await openCrowd(context);
    const { client } = crowd.scene;
    const turns = new Array<number>(CONNECTIONS).fill(0);
    const one = async (lane: number): Promise<void> => {
      const own = crowd.voices.filter((_, index) => index % CONNECTIONS === lane);
      const turn = turns[lane] ?? 0;
      turns[lane] = turn + 1;
      await send(client, own[turn % own.length]?.next() ?? []);
    };
    const fill = openBareStore(context);
    const socket = await startBareServer(context);
    const bare = async (): Promise<void> => void (await bareCall(socket, "/echo", BARE_BODY));

    await closedLoop(CONNECTIONS, WARM_MS, one);
    const cpu = { many: new CpuMeter(crowd.daemonPid), single: new CpuMeter(crowd.daemonPid) };
    const rates = await inTurn(ROUNDS, {
      many: () => cpu.many.during(() => closedLoop(CONNECTIONS, SLICE_MS, one)),
      single: () => cpu.single.during(() => closedLoop(1, SLICE_MS, one)),
      store: () => fill(1, BARE_SLICE_MS),
      bareMany: () => closedLoop(CONNECTIONS, BARE_SLICE_MS, bare),
      bareSingle: () => closedLoop(1, BARE_SLICE_MS, bare),
    });
    const waits: number[] = [];
    await openLoop(MODERATE_PER_SECOND, MEASURED_MS, async (index) => {
      const events = crowd.voices[index % crowd.voices.length]?.next() ?? [];
      waits.push(await timed(() => send(client, events)));
    });

    const bareWaits: number[] = [];
    await openLoop(MODERATE_PER_SECOND, MEASURED_MS, async () => void bareWaits.push(await timed(bare)));

    const calls = (rate: number): number => (rate * ROUNDS * SLICE_MS) / 1_000;
    const waited = summarize(waits);
    const bareWaited = summarize(bareWaits);
    const budget = { kind: "at least", value: 800 } as const;
    return [
      {
        name: `durable events, one a call, ${CONNECTIONS} at a time`,
        value: rates.many,
        unit: "/s",
        budget,
        baseline: { what: "bare node:http call", value: rates.bareMany, unit: "/s" },
        facts: { [CPU]: cpu.many.msEach(calls(rates.many)) },
      },
      {
        name: "durable events, one a call, one at a time",
        value: rates.single,
        unit: "/s",
        budget,
        baseline: { what: "bare node:http call", value: rates.bareSingle, unit: "/s" },
        facts: { [CPU]: cpu.single.msEach(calls(rates.single)) },
      },
      {
        name: "the store alone, one row a transaction",
        value: rates.store,
        unit: "/s",
        facts: { what: "bare SQLite, WAL, FULL" },
      },
      {
        name: `one call at ${MODERATE_PER_SECOND} /s, p99`,
        value: waited.p99,
        unit: "ms",
        budget: { kind: "at most", value: 20 },
        baseline: { what: "bare node:http call", value: bareWaited.p99, unit: "ms" },
        samples: waited,
      },
      {
        name: `one call at ${MODERATE_PER_SECOND} /s, median`,
        value: waited.median,
        unit: "ms",
        baseline: { what: "bare node:http call", value: bareWaited.median, unit: "ms" },
      },
    ];
  },
};
