import {
  AgentState,
  type AgentStatus,
  ChangeOp,
  type Pane,
  TargetKind,
  WatchType,
} from "../../../src/client/index.js";
import { TestDaemon, type TestDaemonOptions } from "../../support/daemon.js";

/** One state of one pane, and when its watcher heard of it. */
export interface Seen {
  readonly atMs: number;
  /** Lower case, as the contract spells it; "gone" when the row left. */
  readonly state: string;
  readonly reason: string;
  readonly source: string;
  readonly agent: AgentStatus | undefined;
}

export function stateWord(state: AgentState): string {
  return (AgentState[state] ?? "").toLowerCase();
}

/** A real daemon on the lab's tmux server, and everything that a watcher of it hears. */
export class Observer {
  readonly #seen = new Map<string, Seen[]>();
  readonly #waiting = new Set<() => void>();
  readonly #abort = new AbortController();

  private constructor(readonly daemon: TestDaemon) {}

  /** `host` is the alias of the ssh host that the tmux server is reached through; this host without it. */
  static async start(tmuxSocket: string, options: TestDaemonOptions = {}, host = ""): Promise<Observer> {
    const daemon = await TestDaemon.start(options);
    const observer = new Observer(daemon);
    const targets = await daemon.client.targets.listTargets({});
    const name = host === "" ? "lab" : host;
    if (!targets.targets.some((target) => target.name === name)) {
      const kind = host === "" ? TargetKind.LOCAL : TargetKind.SSH;
      await daemon.client.targets.addTarget({ name, kind, tmuxSocket });
    }
    void observer.#follow();
    return observer;
  }

  history(paneId: string): readonly Seen[] {
    return this.#seen.get(paneId) ?? [];
  }

  /** The current row's agent, by a read. */
  async agent(paneId: string): Promise<AgentStatus | undefined> {
    const { panes } = await this.daemon.client.state.listPanes({});
    return panes.find(({ identity }) => identity?.paneId === paneId)?.agent;
  }

  /**
   * Waits for the first report of one of `states` that was heard after `sinceMs`; or for the present state to be one
   * of them. Throws with the pane's history.
   */
  async until(
    paneId: string,
    states: string | readonly string[],
    sinceMs: number,
    timeoutMs: number,
  ): Promise<Seen> {
    const wanted = typeof states === "string" ? [states] : states;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.history(paneId).find(({ atMs, state }) => atMs >= sinceMs && wanted.includes(state));
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new Error(
          `pane ${paneId} was not ${wanted.join(" or ")} within ${timeoutMs} ms:\n${this.tell(paneId, sinceMs)}`,
        );
      }
      await this.#news(left);
    }
  }

  /** The history of a pane, one line each, for messages. */
  tell(paneId: string, sinceMs: number): string {
    return this.history(paneId)
      .map(({ atMs, state, reason, source }) => `  ${atMs - sinceMs} ms ${state} (${reason}) by ${source}`)
      .join("\n");
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.daemon.close();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#abort;
    for await (const event of this.daemon.client.watch({ filter: { includePlain: true } }, { signal })) {
      if (event.kind !== "message") continue;
      const { message } = event;
      if (message.type === WatchType.SNAPSHOT) {
        for (const { item } of message.items) if (item.case === "pane") this.#note(item.value);
      }
      for (const change of message.changes) {
        if (change.op === ChangeOp.DELETE && change.identity.case === "pane") {
          this.#push(change.identity.value.paneId, undefined);
        } else if (change.item?.item.case === "pane") this.#note(change.item.item.value);
      }
      for (const wake of this.#waiting) wake();
    }
  }

  #note(pane: Pane): void {
    this.#push(pane.identity?.paneId ?? "", pane.agent);
  }

  #push(paneId: string, agent: AgentStatus | undefined): void {
    const state = agent === undefined ? "gone" : stateWord(agent.state);
    const seen = this.#seen.get(paneId) ?? [];
    this.#seen.set(paneId, seen);
    const last = seen.at(-1);
    const reason = agent?.reasonCode ?? "";
    if (last?.state === state && last.reason === reason && last.agent?.runtimeId === agent?.runtimeId) return;
    const source = agent === undefined ? "" : `${agent.source}/${agent.channel}`;
    seen.push({ atMs: Date.now(), state, reason, source, agent });
  }

  #news(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }
}
