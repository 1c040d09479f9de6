import { type Agtmux, ChangeOp } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import type { PrivateServer } from "../../tmux/private-server.js";
import { follow } from "./follow.js";
import type { Resources } from "./resources.js";

const PLAIN = "exec sleep 100000";
const ANNOUNCED_ROUNDS = 10;

/** How long changes of one tmux server take, from the command's start to a client's open stream, in milliseconds. */
export class TmuxLags {
  readonly #seen = new Map<string, number>();

  private constructor(private readonly tmux: PrivateServer["tmux"]) {}

  /** `target`: the one that the server is. */
  static async open(
    client: Agtmux,
    resources: Resources,
    target: string,
    tmux: PrivateServer["tmux"],
  ): Promise<TmuxLags> {
    const lags = new TmuxLags(tmux);
    const filter = { includePlain: true, targets: [target] };
    await follow(client, resources, { filter }, ({ changes }) => {
      for (const { op, identity } of changes) {
        if (identity.case === "pane") lags.#seen.set(`${identity.value.paneId} ${op}`, performance.now());
      }
    });
    return lags;
  }

  /** A tmux command that makes a pane, e.g. `new-session -d`. */
  async making(...words: string[]): Promise<{ lag: number; paneId: string }> {
    const began = performance.now();
    const paneId = this.tmux(...words, "-P", "-F", "#{pane_id}", PLAIN);
    return { lag: await this.#told(paneId, ChangeOp.UPSERT, began), paneId };
  }

  /** A tmux command that ends a pane. */
  async ending(paneId: string, ...words: string[]): Promise<number> {
    const began = performance.now();
    this.tmux(...words);
    return this.#told(paneId, ChangeOp.DELETE, began);
  }

  /** Sessions that come and go, which tmux announces. */
  async announced(rounds = ANNOUNCED_ROUNDS): Promise<number[]> {
    const lags: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const session = `announced${round}`;
      const made = await this.making("new-session", "-d", "-s", session);
      lags.push(made.lag, await this.ending(made.paneId, "kill-session", "-t", `=${session}`));
    }
    return lags;
  }

  async #told(paneId: string, op: ChangeOp, began: number): Promise<number> {
    const key = `${paneId} ${op}`;
    return (await eventually(`${paneId} to be told`, () => this.#seen.get(key))) - began;
  }
}
