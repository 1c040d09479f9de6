import { parentPort, workerData } from "node:worker_threads";
import { JournalLab, runtimeRecord, START } from "../ingest/journal-harness.js";

/** A worker thread with a journal of its own over the database of others; see identity-race.test.ts. */
interface Race {
  readonly path: string;
  readonly racer: number;
  readonly rounds: number;
  /** Counts the racers that stand ready, by round. */
  readonly ready: SharedArrayBuffer;
  readonly racers: number;
}

/** What one racer had of one round. */
export interface Finish {
  readonly racer: number;
  readonly round: number;
  readonly error: string;
  /** The runtimes that its journal holds afterwards. */
  readonly holds: readonly string[];
}

// Given by the test that starts this thread, in this shape.
const { path, racer, rounds, ready, racers } = workerData as Race;
const lab = new JournalLab();
Object.assign(lab, { path });
lab.restart();
const { store, journal } = lab;
const gate = new Int32Array(ready);

for (let round = 0; round < rounds; round++) {
  const pane = `%${round}`;
  const place = { targetId: "host", paneId: pane, bootId: "77:1700000000", panePid: 4_000 };
  Atomics.add(gate, round, 1);
  Atomics.notify(gate, round);
  for (let there = 0; there < racers; there = Atomics.load(gate, round))
    Atomics.wait(gate, round, there, 100);
  let error = "";
  try {
    journal.transaction(() => {
      const epoch = store.runtimes.nextEpoch(place, START);
      journal.open(runtimeRecord({ pane, epoch, pid: 10_000 * (racer + 1) + round }), [racer]);
    });
  } catch (thrown) {
    error = String(thrown);
  }
  const holds = [...journal.runtimes()]
    .filter(({ record }) => record.paneId === pane)
    .map(({ record }) => record.runtimeId);
  const finish: Finish = { racer, round, error, holds };
  parentPort?.postMessage(finish);
}
lab.close();
