import { AgentState, type Agtmux, type WatchResponse } from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";
import type { HookVoice } from "./hook-voice.js";
import { send } from "./taken.js";

/** State changes that were sent and have not been seen yet. */
export class Flips {
  readonly #expected = new Map<string, { readonly state: AgentState; readonly sentAt: number }>();

  constructor(private readonly voices: readonly HookVoice[]) {}

  /** Sends the next agent's event, which changes its state. */
  async send(client: Agtmux, index: number): Promise<void> {
    const voice = this.voices[index % this.voices.length];
    if (voice === undefined) throw new Error("no agents");
    const { event, kind } = voice.flip();
    const state = kind === "Stop" ? AgentState.COMPLETED : AgentState.RUNNING;
    this.#expected.set(voice.agent.paneId, { state, sentAt: performance.now() });
    await send(client, [event]);
  }

  /** When the changes that a message shows were sent; each change is told once. */
  take({ changes }: WatchResponse): number[] {
    const sent: number[] = [];
    for (const { identity, item } of changes) {
      if (identity.case !== "pane" || item?.item.case !== "pane") continue;
      const { paneId } = identity.value;
      const wanted = this.#expected.get(paneId);
      if (wanted === undefined || item.item.value.agent?.state !== wanted.state) continue;
      this.#expected.delete(paneId);
      sent.push(wanted.sentAt);
    }
    return sent;
  }

  /** Waits until every change was seen; throws if one never is. */
  async settle(): Promise<void> {
    await eventually(`${this.#expected.size} changes to be told`, () => this.#expected.size === 0);
  }
}
