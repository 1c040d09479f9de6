import { CpuMeter } from "../support/account.js";
import { bareCall } from "../support/bare-call.js";
import { startBareServer } from "../support/bare-host.js";
import { openBareStore } from "../support/bare-store.js";
import { BATCH, batchSource, CLIENTS } from "../support/batches.js";
import { openCrowd } from "../support/crowd.js";
import { closedLoop, timed } from "../support/pacing.js";
import type { Row } from "../support/row.js";
import { inTurn } from "../support/slices.js";
import { summarize } from "../support/statistics.js";
import { send } from "../support/taken.js";

const WARM_MS = 2_000;
const ROUNDS = 5;
const SLICE_MS = 1_200;
const BARE_SLICE_MS = 500;

/** Durable events a second in batches of 100, from several clients into the daemon with its observer running. */
export const ingestBatches: Row = {
  name: "ingest-batches",
  deadlineMs: () => 90_000,
  async run(context) {
    const crowd = await openCrowd(context);
    const { client } = crowd.scene;
    const next = batchSource(crowd);
    const calls: number[] = [];
    const one = async (lane: number): Promise<void> => {
      const events = next(lane);
      calls.push(await timed(() => send(client, events)));
    };
    const fill = openBareStore(context);
    const socket = await startBareServer(context);
    const body = Buffer.from(JSON.stringify({ events: Array.from({ length: BATCH }, () => SAMPLE) }));
    const echo = async (): Promise<void> => void (await bareCall(socket, "/echo", body));

    await closedLoop(CLIENTS, WARM_MS, one);
    calls.length = 0;
    const cpu = new CpuMeter(crowd.daemonPid);
    const rates = await inTurn(ROUNDS, {
      daemon: async () => BATCH * (await cpu.during(() => closedLoop(CLIENTS, SLICE_MS, one))),
      store: () => fill(BATCH, BARE_SLICE_MS),
      transport: async () => BATCH * (await closedLoop(CLIENTS, BARE_SLICE_MS, echo)),
    });
    return [
      {
        name: `durable events, batches of ${BATCH}`,
        value: rates.daemon,
        unit: "/s",
        budget: { kind: "at least", value: 5_000 },
        baseline: { what: "bare SQLite, as durable", value: rates.store, unit: "/s" },
        samples: summarize(calls),
        facts: {
          "samples are": "ms a call",
          clients: CLIENTS,
          "daemon's processor ms an event": cpu.msEach(calls.length * BATCH),
        },
      },
      {
        name: "the transport alone, JSON echo of such batches",
        value: rates.transport,
        unit: "/s",
        facts: { what: "bare node:http", clients: CLIENTS },
      },
    ];
  },
};

/** As large as an event of the crowd. */
const SAMPLE = {
  eventId: "00000000-0000-4000-8000-000000000000",
  eventType: "PostToolUse",
  agentType: "claude",
  source: "SIGNAL_SOURCE_HOOK",
  eventTimeUnixNs: "1700000000000000000",
  eventTimeResolutionNs: "1000000",
  tmux: { socketPath: "/tmp/agtmux-tmux-000000/s", serverPid: "100000" },
  paneId: "%10",
  pid: "100001",
  parentPids: ["100001"],
  rawPayload: "A".repeat(300),
};
