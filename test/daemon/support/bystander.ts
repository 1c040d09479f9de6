import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Flips } from "../../bench/support/flips.js";
import { follow } from "../../bench/support/follow.js";
import { HookVoice } from "../../bench/support/hook-voice.js";
import { Resources } from "../../bench/support/resources.js";
import { percentile } from "../../bench/support/statistics.js";
import { eventually } from "../../support/daemon.js";
import type { PrivateServer } from "../../tmux/private-server.js";
import type { Scene } from "./scene.js";

const BETWEEN_MS = 40;
/** Samples below which no percentile says anything. */
const ENOUGH = 40;

/** What somebody noticed who has nothing to do with a fault; times in milliseconds. */
export interface Noticed {
  readonly events: number;
  /** From the call of a local agent's hook to the watcher. */
  readonly p99: number;
  /** The longest read of everything. */
  readonly longestRead: number;
  /** The longest that this process itself, which measures, could not run: what a busy machine does to everybody. */
  readonly noise: number;
}

/** An agent on the daemon's own host whose hooks report without a pause, a watcher of it, and a reader of everything. */
export class Bystander {
  #lags: number[] = [];
  #reads: number[] = [];
  #over = false;
  readonly #pauses = monitorEventLoopDelay({ resolution: 10 });
  #done: Promise<unknown> = Promise.resolve();
  readonly #resources = new Resources();

  private constructor(private readonly scene: Scene) {}

  async #begin(flips: Flips, name: string): Promise<void> {
    await follow(this.scene.client, this.#resources, { filter: { targets: [name] } }, (message) => {
      for (const sentAt of flips.take(message)) this.#lags.push(performance.now() - sentAt);
    });
    this.#pauses.enable();
    this.#done = Promise.all([this.#report(flips), this.#read()]);
    // Thrown by `take` or `close`.
    this.#done.catch(() => undefined);
  }

  /** Starts the agent on a tmux server that the daemon observes as the target `name`. */
  static async start(scene: Scene, server: PrivateServer, name: string): Promise<Bystander> {
    const printed = server.start(
      "new-session",
      "-d",
      "-P",
      "-F",
      "#{pane_id} #{pane_pid}",
      scene.agentCommand,
    );
    const [paneId = "", pid = ""] = printed.split(" ");
    await scene.addTarget(name, server.socketPath);
    await scene.untilPane("the local agent", ({ identity, agent }) => {
      return identity?.target === name && agent !== undefined;
    });
    const from = { socketPath: server.socketPath, pid: server.pid() };
    const flips = new Flips([new HookVoice(scene.adopt(paneId, Number(pid)), from)]);
    const bystander = new Bystander(scene);
    await bystander.#begin(flips, name);
    return bystander;
  }

  /** What was noticed since the last time; waits until that is enough to say something. */
  async take(): Promise<Noticed> {
    await eventually("enough events", () => this.#lags.length >= ENOUGH || undefined);
    const noticed = {
      events: this.#lags.length,
      p99: percentile(this.#lags, 0.99),
      longestRead: percentile(this.#reads, 1),
      noise: this.#pauses.max / 1e6,
    };
    this.#lags = [];
    this.#reads = [];
    this.#pauses.reset();
    return noticed;
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#pauses.disable();
    try {
      await this.#done;
    } finally {
      await this.#resources.close();
    }
  }

  async #report(flips: Flips): Promise<void> {
    for (let index = 0; !this.#over; index++) {
      await flips.send(this.scene.client, index);
      await flips.settle();
      await delay(BETWEEN_MS);
    }
  }

  async #read(): Promise<void> {
    while (!this.#over) {
      const asked = performance.now();
      await this.scene.panes();
      await this.scene.client.targets.listTargets({});
      this.#reads.push(performance.now() - asked);
      await delay(BETWEEN_MS);
    }
  }
}
