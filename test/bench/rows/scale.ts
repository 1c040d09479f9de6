import { setTimeout as delay } from "node:timers/promises";
import { TargetHealth } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import { familyMb, familySeconds } from "../support/account.js";
import { type Fleet, openFleet } from "../support/fleet.js";
import { hostsApart } from "../support/own-host.js";
import type { Row } from "../support/row.js";
import { rounded, summarize } from "../support/statistics.js";
import { TmuxLags } from "../support/tmux-lags.js";

const TARGETS = 50;
const PANES = 20;
const AGENTS = 4;
/** Quiet sets in 10 s after the last change. */
const SETTLE_MS = 14_000;
const MEASURED_MS = 20_000;
const SLOW_MS = 30_000;

/** Fifty ssh targets of twenty panes each on one daemon: what they cost at rest, and what one that hangs does to others. */
export const scale: Row = {
  name: "scale",
  deadlineMs: () => 300_000,
  async run(context) {
    const fleet = await openFleet(context, {
      local: 0,
      targets: TARGETS,
      each: AGENTS,
      plain: PANES - AGENTS,
    });
    const { scene, hosts, daemonPid } = fleet;
    await delay(SETTLE_MS);
    const before = familySeconds(daemonPid);
    const began = performance.now();
    await delay(MEASURED_MS);
    const seconds = (performance.now() - began) / 1_000;
    const share = ((familySeconds(daemonPid).all - before.all) / seconds) * 100;
    const memory = familyMb(daemonPid);

    const [slow, other] = hosts;
    if (slow === undefined || other === undefined) throw new Error("no hosts");
    const lags = await TmuxLags.open(scene.client, context.resources, other.name, other.tmux);
    const calm = summarize(await lags.announced());
    slow.hang();
    await eventually(
      "the target to be slow",
      async () => (await health(fleet, slow.name)) !== TargetHealth.OK,
      SLOW_MS,
    );
    const during = summarize(await lags.announced());
    const others = await scene.client.targets.listTargets({});
    const well = others.targets.filter((target) => target.health === TargetHealth.OK).length;
    if (well < TARGETS - 1) throw new Error(`${well} targets are well`);
    const panes = TARGETS * PANES;
    return [
      {
        name: `${TARGETS} ssh targets, ${panes} panes: daemon, of one core`,
        value: share,
        unit: "%",
        budget: { kind: "at most", value: 10 },
        facts: { agents: TARGETS * AGENTS, apart: String(hostsApart), seconds: rounded(seconds) },
      },
      {
        name: `${TARGETS} ssh targets, ${panes} panes: memory`,
        value: memory,
        unit: "MB",
        budget: { kind: "at most", value: 400 },
      },
      {
        name: "beside a target that hangs: announced change → watcher, p95",
        value: during.p95,
        unit: "ms",
        budget: { kind: "at most", value: 500 },
        baseline: { what: "the same with none that hangs", value: calm.p95, unit: "ms" },
        samples: during,
      },
    ];
  },
};

async function health({ scene }: Fleet, name: string): Promise<TargetHealth | undefined> {
  const { targets } = await scene.client.targets.listTargets({});
  return targets.find((target) => target.name === name)?.health;
}
