import { AgentState, SignalSource } from "../../../src/client/index.js";
import { RemoteScene } from "../../daemon/support/remote-scene.js";
import { eventually } from "../../support/daemon.js";
import { openFleet } from "../support/fleet.js";
import { follow } from "../support/follow.js";
import { timed } from "../support/pacing.js";
import type { Figure, Row, RowContext } from "../support/row.js";
import { summarize } from "../support/statistics.js";
import { TmuxLags } from "../support/tmux-lags.js";

const PROFILE = { local: 20, targets: 2, each: 20 };
const HOOKS = 60;
const BASELINE_RUNS = 20;

/** From what happens on a host that is reached over ssh to the moment a client's open stream has shown it. */
export const remoteToWatcher: Row = {
  name: "remote-to-watcher",
  deadlineMs: () => 180_000,
  run: async (context) => [await announced(context), await hooked(context)],
};

async function announced(context: RowContext): Promise<Figure> {
  const { scene, hosts } = await openFleet(context, PROFILE);
  const [host] = hosts;
  if (host === undefined) throw new Error("no hosts");
  const lags = await TmuxLags.open(scene.client, context.resources, host.name, host.tmux);
  const heard = summarize(await lags.announced());
  const bare: number[] = [];
  for (let run = 0; run < BASELINE_RUNS; run++) {
    bare.push(await timed(() => void host.tmux("list-panes", "-a", "-F", "#{pane_id} #{pane_pid}")));
  }
  return {
    name: "announced tmux change over ssh → watcher, p95",
    value: heard.p95,
    unit: "ms",
    budget: { kind: "at most", value: 500 },
    baseline: { what: "tmux list-panes -a", value: summarize(bare).median, unit: "ms" },
    samples: heard,
  };
}

/** The hook takes its own time of day, on this host: the two clocks are one. */
async function hooked({ resources }: RowContext): Promise<Figure> {
  const remote = await RemoteScene.start();
  resources.add(() => remote.close());
  const { client } = remote.scene;
  await remote.install();
  const shown: { at: number; state: AgentState }[] = [];
  await follow(client, resources, {}, ({ changes }) => {
    for (const { item } of changes) {
      const state = item?.item.case === "pane" ? item.item.value.agent?.state : undefined;
      if (state !== undefined) shown.push({ at: Date.now(), state });
    }
  });
  const times: number[] = [];
  const calls: number[] = [];
  for (let index = 0; index < HOOKS; index++) {
    const [event, state] =
      index % 2 === 0
        ? (["UserPromptSubmit", AgentState.RUNNING] as const)
        : (["PermissionRequest", AgentState.WAITING_APPROVAL] as const);
    const from = shown.length;
    const typed = Date.now();
    remote.hook(event);
    const seen = await eventually(event, () => shown.slice(from).find((each) => each.state === state));
    const { runtimeId } = remote;
    const { events } = await client.events.listEvents({ filter: { runtimeId }, limit: 5 });
    const happened = events.find(({ source }) => source === SignalSource.HOOK)?.eventTime;
    const at = Number(happened?.seconds) * 1_000 + Number(happened?.nanos) / 1_000_000;
    times.push(seen.at - at);
    calls.push(at - typed);
  }
  const samples = summarize(times);
  return {
    name: "remote hook event → watcher, p95",
    value: samples.p95,
    unit: "ms",
    budget: { kind: "at most", value: 100 },
    baseline: { what: "tmux send-keys until the hook runs, p95", value: summarize(calls).p95, unit: "ms" },
    samples,
  };
}
