import { setTimeout as delay } from "node:timers/promises";
import { TargetKind } from "../../../src/client/index.js";
import { Scene } from "../../daemon/support/scene.js";
import { eventually } from "../../support/daemon.js";
import { LoopbackSshd } from "../../targets/ssh/loopback-sshd.js";
import { NetworkHost, namespacesRefused } from "../../targets/ssh/network-host.js";
import { follow } from "../support/follow.js";
import { timed } from "../support/pacing.js";
import type { Resources } from "../support/resources.js";
import type { Row } from "../support/row.js";
import { summarize } from "../support/statistics.js";

/** Milliseconds that the network is away once the target counts as down; the waits between attempts grow to 4 s. */
const OUTAGES = [500, 2_000, 3_500, 5_000, 6_500, 8_000, 9_500];
const DOWN_MS = 30_000;

/** From the return of the network to the moment a client's open stream shows the target's rows as they are again. */
export const reconnect: Row = {
  name: "reconnect",
  deadlineMs: () => 300_000,
  async run({ resources }) {
    const network = await opened(resources);
    const scene = await Scene.start({ env: { AGTMUX_SSH_CONFIG: network.sshd.configFile } });
    resources.add(() => scene.close());
    await scene.client.targets.removeTarget({ name: "lab" });
    const tmuxSocket = scene.terminal.socketPath;
    const vm1 = { name: "vm1", kind: TargetKind.SSH, tmuxSocket };
    const login = await timed(async () => {
      await scene.client.targets.addTarget(vm1);
    });
    await scene.agentIn("idle", "new-session", "-d", "-s", "work");
    let away = false;
    let cameAt = 0;
    await follow(scene.client, resources, { filter: { targets: ["vm1"] } }, ({ partial }) => {
      if (away && !partial) cameAt = performance.now();
      away = partial;
    });
    const times: number[] = [];
    for (const outage of OUTAGES) {
      await network.away();
      await eventually("it to be away", () => away, DOWN_MS);
      await delay(outage);
      const back = performance.now();
      await network.back();
      await eventually("it to be back", () => !away, DOWN_MS);
      times.push(cameAt - back);
    }
    const samples = summarize(times);
    return [
      {
        name: "network back → target's rows right, median",
        value: samples.median,
        unit: "ms",
        budget: { kind: "at most", value: 3_000 },
        baseline: { what: "target add, with its login", value: login, unit: "ms" },
        samples,
        facts: { outage: network.how },
      },
    ];
  },
};

interface Network {
  readonly sshd: LoopbackSshd;
  readonly how: string;
  away(): void | Promise<void>;
  back(): void | Promise<void>;
}

/** A cable that is pulled, where that can be had; else a listener that goes. */
async function opened(resources: Resources): Promise<Network> {
  if (namespacesRefused === undefined) {
    const host = await NetworkHost.start();
    resources.add(() => host.close());
    return { sshd: host.sshd, how: "cable pulled", away: () => host.pull(), back: () => host.plug() };
  }
  const sshd = await LoopbackSshd.start();
  resources.add(() => sshd.close());
  return { sshd, how: "no sshd", away: () => sshd.stop(), back: () => sshd.listen() };
}
