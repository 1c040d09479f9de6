import { setTimeout as delay } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { WatchRequestSchema } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import { cpuSeconds, residentMb } from "../support/account.js";
import { bareStream } from "../support/bare-call.js";
import { openCrowd } from "../support/crowd.js";
import type { Row } from "../support/row.js";
import { rounded } from "../support/statistics.js";

const WATCHERS = 1_000;
/** Quiet sets in 10 s after the last change. */
const SETTLE_MS = 14_000;
/** Two bookmarks of every watcher. */
const MEASURED_MS = 30_000;

/** What a thousand streams cost on which nothing happens but bookmarks. */
export const idleWatchers: Row = {
  name: "idle-watchers",
  deadlineMs: () => 180_000,
  async run(context) {
    const { scene, daemonPid } = await openCrowd(context, undefined, (agent) => agent.say("idle"));
    await delay(SETTLE_MS);
    const alone = await share(daemonPid);
    const resident = residentMb(daemonPid);
    const request = toBinary(WatchRequestSchema, create(WatchRequestSchema, {}));
    let snapshots = 0;
    const onEnd = (error: Error): void => void process.stderr.write(`a stream broke: ${error.message}\n`);
    for (let at = 0; at < WATCHERS; at += 1) {
      let first = true;
      const onMessage = (): void => {
        if (first) snapshots += 1;
        first = false;
      };
      const path = "/agtmux.v1.StateService/Watch";
      const stream = await bareStream(scene.daemon.socketPath, path, request, onMessage, onEnd);
      context.resources.add(() => stream.close());
    }
    await eventually("every watcher to have a snapshot", () => snapshots === WATCHERS || undefined);
    await delay(SETTLE_MS);
    const watched = await share(daemonPid);
    return [
      {
        name: `${WATCHERS} idle watchers, more of one core`,
        value: watched - alone,
        unit: "%",
        budget: { kind: "at most", value: 1 },
        baseline: { what: "without watchers", value: alone, unit: "%" },
        facts: { "MB more": rounded(residentMb(daemonPid) - resident) },
      },
    ];
  },
};

/** Percent of one core over a while. */
async function share(pid: number): Promise<number> {
  const before = cpuSeconds(pid).own;
  const began = performance.now();
  await delay(MEASURED_MS);
  return ((cpuSeconds(pid).own - before) * 100_000) / (performance.now() - began);
}
