import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { WatchRequestSchema, WatchResponseSchema } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import { CpuMeter, residentMb } from "../support/account.js";
import { bareStream } from "../support/bare-call.js";
import { bareLags } from "../support/bare-lags.js";
import { type Crowd, openCrowd } from "../support/crowd.js";
import { Flips } from "../support/flips.js";
import { openLoop } from "../support/pacing.js";
import type { Row, RowContext } from "../support/row.js";
import { rounded, summarize } from "../support/statistics.js";

const WATCHERS = 100;
const PER_SECOND = 50;
const WARM_MS = 3_000;
const MEASURED_MS = 10_000;
const BASELINE_MS = 4_000;

/** A hundred clients watch everything while fifty states change a second. */
export const manyWatchers: Row = {
  name: "many-watchers",
  deadlineMs: () => 120_000,
  async run(context) {
    const crowd = await openCrowd(context);
    const { scene, daemonPid, voices } = crowd;
    const flips = new Flips(voices);
    const fanOut = new FanOut(flips);
    const everyoneKnows = async (): Promise<void> => {
      await flips.settle();
      await eventually("every watcher to be told of every change", () => fanOut.isComplete(WATCHERS));
    };
    const alone = residentMb(daemonPid);
    await openWatchers(context, crowd, fanOut);
    await openLoop(PER_SECOND, WARM_MS, (index) => flips.send(scene.client, index));
    await everyoneKnows();
    fanOut.lags.length = 0;

    const before = residentMb(daemonPid);
    const cpu = new CpuMeter(daemonPid);
    await cpu.during(async () => {
      await openLoop(PER_SECOND, MEASURED_MS, (index) => flips.send(scene.client, index));
      await everyoneKnows();
    });
    const after = residentMb(daemonPid);

    const told = summarize(fanOut.lags);
    const bare = summarize(await bareLags(context, WATCHERS, PER_SECOND, BASELINE_MS));
    return [
      {
        name: `${WATCHERS} watchers × ${PER_SECOND} changes/s, p99`,
        value: told.p99,
        unit: "ms",
        budget: { kind: "at most", value: 100 },
        baseline: { what: "bare node:http streams", value: bare.p99, unit: "ms" },
        samples: told,
        facts: { "daemon's processor ms a change": cpu.msEach((PER_SECOND * MEASURED_MS) / 1_000) },
      },
      {
        name: `${WATCHERS} watchers: memory grows by`,
        value: (after / before - 1) * 100,
        unit: "%",
        budget: { kind: "at most", value: 10 },
        baseline: { what: "without watchers", value: alone, unit: "MB" },
        facts: { "MB before": rounded(before), "MB after": rounded(after), seconds: MEASURED_MS / 1_000 },
      },
    ];
  },
};

/**
 * How late each watcher hears of each change. A sequence is decoded once, by whichever watcher gets it first; a watcher
 * that fell behind gets several in one message, and all of them are that late.
 */
class FanOut {
  readonly lags: number[] = [];
  readonly #sentAt = new Map<number, readonly number[]>();
  readonly #reached = new Map<number, number>();
  #head = 0;

  constructor(private readonly flips: Flips) {}

  take(watcher: number, message: Buffer): void {
    const now = performance.now();
    const sequence = sequenceOf(message);
    const before = this.#reached.get(watcher);
    this.#reached.set(watcher, sequence);
    // A snapshot: nothing in it was sent by this row.
    if (before === undefined) return;
    if (!this.#sentAt.has(sequence)) {
      this.#sentAt.set(sequence, this.flips.take(fromBinary(WatchResponseSchema, message)));
    }
    for (let at = before + 1; at <= sequence; at++) {
      for (const sent of this.#sentAt.get(at) ?? []) this.lags.push(now - sent);
    }
    this.#head = Math.max(this.#head, sequence);
  }

  /** Whether so many watchers have heard of everything that any of them has. */
  isComplete(watchers: number): boolean {
    const there = [...this.#reached.values()].filter((sequence) => sequence >= this.#head);
    return there.length === watchers;
  }
}

/** The message's sequence, without decoding what lies around it. */
function sequenceOf(message: Uint8Array): number {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === WatchResponseSchema.field.sequence.number) return Number(reader.int64());
    reader.skip(type);
  }
  return 0;
}

async function openWatchers(context: RowContext, { scene }: Crowd, fanOut: FanOut): Promise<void> {
  const request = toBinary(WatchRequestSchema, create(WatchRequestSchema, {}));
  const onEnd = (error: Error): void => void process.stderr.write(`a stream broke: ${error.message}\n`);
  const path = "/agtmux.v1.StateService/Watch";
  for (let at = 0; at < WATCHERS; at++) {
    const onMessage = (message: Buffer): void => fanOut.take(at, message);
    const stream = await bareStream(scene.daemon.socketPath, path, request, onMessage, onEnd);
    context.resources.add(() => stream.close());
  }
  await eventually("every watcher to have a snapshot", () => fanOut.isComplete(WATCHERS));
}
