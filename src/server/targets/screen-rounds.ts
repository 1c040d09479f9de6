import type { AnyAdapter, NativeSignal } from "../adapters/contract.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import { captureScreens } from "../tmux/capture.js";
import type { PaneRow, Topology } from "../tmux/topology.js";
import type { Executor } from "./executor.js";
import type { ScreenLooker } from "./screen-looker.js";

interface Parts {
  readonly executor: Executor;
  readonly adapters: readonly AnyAdapter[];
  readonly looker: ScreenLooker;
  readonly publish: (signals: readonly NativeSignal[]) => Promise<void>;
}

/** Captures the screens of a target's agents and publishes what they say. */
export class ScreenRounds {
  constructor(private readonly parts: Parts) {}

  /** Looks at all that are due, in one go. `active`: the runtimes by pane id. Rejects with ExecutorError. */
  async round(topology: Topology, active: ReadonlyMap<string, LiveRuntime>): Promise<void> {
    const { looker } = this.parts;
    looker.keep(new Set([...active.values()].map((runtime) => runtime.record.runtimeId)));
    const due: [LiveRuntime, PaneRow][] = [];
    for (const pane of topology.panes) {
      const runtime = active.get(pane.paneId);
      if (runtime !== undefined && looker.due(runtime, pane)) due.push([runtime, pane]);
    }
    if (due.length > 0) await this.look(due);
  }

  /** Looks at these now. Rejects with ExecutorError. */
  async look(looks: readonly (readonly [LiveRuntime, PaneRow])[]): Promise<void> {
    const { executor, adapters, looker, publish } = this.parts;
    const screens = await captureScreens(
      executor,
      looks.map(([, pane]) => pane.paneId),
    );
    const signals = looks.flatMap(([runtime, pane]) => {
      const screen = screens.get(pane.paneId);
      const adapter = adapters.find((known) => known.agentType === runtime.record.agentType);
      if (screen === undefined || adapter === undefined) return [];
      return looker.take(runtime, pane, adapter, screen) ?? [];
    });
    await publish(signals);
  }
}
