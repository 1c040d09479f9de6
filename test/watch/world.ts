import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WatchRequestSchema, type WatchResponse } from "../../gen/agtmux/v1/state_pb.js";
import { type AgentState, PRECEDENCE } from "../../src/server/engine/state.js";
import { distinctPanes, type Topology } from "../../src/server/tmux/topology.js";
import type { LinkRow } from "../../src/server/tmux/topology-row.js";
import { WatchHub } from "../../src/server/watch/hub.js";
import { WatchLog } from "../../src/server/watch/log.js";
import type { AgentFacts } from "../../src/server/watch/rows.js";
import { View } from "../../src/server/watch/view.js";

interface ModelPane {
  readonly id: number;
  window: number;
  title: string;
  agent?: { readonly type: string; state: AgentState; version: number };
}

export interface WorldOptions {
  readonly entries?: number;
  readonly bytes?: number;
  readonly bookmarkMs?: number;
}

/** Numbers in [0, 1) from a seed, the same everywhere (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A made-up tmux server and its agents under a real view, log and hub; time stands still. */
export class World {
  hub: WatchHub;
  view: View;
  log: WatchLog;
  readonly target = "t";
  #panes: ModelPane[] = [];
  #sessions = new Map<number, { name: string; windows: number[] }>();
  #windows = new Map<number, string>();
  #next = 0;

  constructor(
    private readonly chance: () => number,
    private readonly options: WorldOptions = {},
  ) {
    ({ view: this.view, log: this.log, hub: this.hub } = this.#begin());
    this.addSession();
  }

  addSession(): void {
    const id = this.#next++;
    this.#sessions.set(id, { name: `s${id}`, windows: [] });
    this.addWindow(id);
  }

  addWindow(session: number): void {
    const id = this.#next++;
    this.#windows.set(id, `w${id}`);
    this.#sessions.get(session)?.windows.push(id);
    this.addPane(id);
  }

  addPane(window = this.#pick([...this.#windows.keys()])): void {
    const id = this.#next++;
    this.#panes.push({ id, window, title: "" });
  }

  /** One random change of the model, then what a look at it would publish. */
  step(): void {
    const pane = this.#pick(this.#panes);
    const choice = Math.floor(this.chance() * 11);
    if (choice === 0) this.addSession();
    else if (choice === 1) this.addWindow(this.#pick([...this.#sessions.keys()]));
    else if (choice === 2) this.addPane();
    else if (choice === 3 && this.#panes.length > 3) this.#removePane(pane);
    else if (choice === 4) this.#rename();
    else if (choice === 5) this.#link();
    else if (choice === 6) pane.window = this.#pick([...this.#windows.keys()]);
    else if (choice === 7) pane.title = `title ${Math.floor(this.chance() * 3)}`;
    else if (choice === 8) {
      this.hub.setTargets([{ name: "t", responded: this.chance() < 0.5, error: { code: 12, message: "x" } }]);
    } else this.setState(pane.id, this.#pick(PRECEDENCE), this.#pick(["claude", "codex"]));
    this.#prune();
    this.publish();
  }

  /** Gives a pane an agent in that state. */
  setState(paneId: number, state: AgentState, type = "claude"): void {
    const pane = this.#panes.find(({ id }) => id === paneId);
    if (pane === undefined) throw new Error(`no pane ${paneId}`);
    pane.agent = { type, state, version: (pane.agent?.version ?? 0) + 1 };
  }

  paneIds(): number[] {
    return this.#panes.map(({ id }) => id);
  }

  publish(): void {
    this.hub.publish(this.view.refresh(this.target, this.#topology()));
    this.hub.publish(
      this.view.update(
        this.target,
        this.#panes.map(({ id }) => `%${id}`),
      ),
    );
  }

  /** A new daemon life over the same tmux. */
  restart(): void {
    this.hub.close();
    ({ view: this.view, log: this.log, hub: this.hub } = this.#begin());
    this.publish();
  }

  #lives = 0;

  #begin(): { view: View; log: WatchLog; hub: WatchHub } {
    this.#lives += 1;
    const { entries = 100_000, bytes = 32 * 1024 * 1024, bookmarkMs = 60_000 } = this.options;
    const view = new View((_target, paneId) => this.#agent(paneId));
    const log = new WatchLog(entries, bytes);
    const hub = new WatchHub(view, log, `life ${this.#lives}`, () => 1_000_000, { bookmarkMs });
    hub.setTargets([{ name: "t", responded: true }]);
    return { view, log, hub };
  }

  /** A view that knows nothing but the present. */
  freshView(): View {
    const view = new View((_target, paneId) => this.#agent(paneId));
    view.refresh(this.target, this.#topology());
    return view;
  }

  /** A stream's first `count` messages, or all that come before it would wait. */
  async read(
    request: MessageInitShape<typeof WatchRequestSchema> = {},
    until: (messages: readonly WatchResponse[]) => boolean = () => false,
  ): Promise<WatchResponse[]> {
    const abort = new AbortController();
    const messages: WatchResponse[] = [];
    const stream = this.hub.stream(create(WatchRequestSchema, request), abort.signal);
    for (;;) {
      const next = stream.next();
      // What is there already comes within some turns of the microtask queue; an immediate comes after all of them.
      const got = await Promise.race([
        next,
        new Promise<"waits">((resolve) => setImmediate(resolve, "waits")),
      ]);
      if (got === "waits" || got.done === true) break;
      messages.push(got.value);
      if (until(messages)) break;
    }
    abort.abort();
    await stream.return(undefined);
    return messages;
  }

  #removePane(pane: ModelPane): void {
    this.#panes = this.#panes.filter((other) => other !== pane);
  }

  #rename(): void {
    const name = `n${Math.floor(this.chance() * 1_000)}`;
    const session = this.#pick([...this.#sessions.values()]);
    const taken = [...this.#sessions.values()].some((other) => other.name === name);
    if (this.chance() < 0.5 && !taken) session.name = name;
    else this.#windows.set(this.#pick([...this.#windows.keys()]), name);
  }

  #link(): void {
    const window = this.#pick([...this.#windows.keys()]);
    const session = this.#pick([...this.#sessions.values()]);
    if (!session.windows.includes(window)) session.windows.push(window);
  }

  /** As tmux: a window without panes and a session without windows are gone. */
  #prune(): void {
    for (const id of this.#windows.keys()) {
      if (!this.#panes.some(({ window }) => window === id)) this.#windows.delete(id);
    }
    for (const [id, session] of this.#sessions) {
      session.windows = session.windows.filter((window) => this.#windows.has(window));
      if (session.windows.length === 0) this.#sessions.delete(id);
    }
  }

  #topology(): Topology {
    const rows: LinkRow[] = [];
    for (const [id, session] of [...this.#sessions].sort(([a], [b]) => a - b)) {
      session.windows.forEach((window, windowIndex) => {
        this.#panes
          .filter((pane) => pane.window === window)
          .forEach((pane, paneIndex) => {
            rows.push({
              sessionId: `$${id}`,
              sessionName: session.name,
              sessionGroup: undefined,
              sessionAttached: 0,
              windowId: `@${window}`,
              windowName: this.#windows.get(window) ?? "",
              windowIndex,
              windowActive: true,
              windowActivity: 0,
              paneId: `%${pane.id}`,
              paneIndex,
              paneActive: true,
              panePid: 1_000 + pane.id,
              paneTty: "/dev/pts/1",
              dead: false,
              deadStatus: undefined,
              deadSignal: undefined,
              inMode: false,
              alternateOn: false,
              inputOff: false,
              synchronized: false,
              width: 80,
              height: 24,
              currentCommand: "sh",
              currentPath: "/",
              title: pane.title,
            });
          });
      });
    }
    const sessions = [...this.#sessions].map(([id, { name, windows }]) => ({
      sessionId: `$${id}`,
      sessionName: name,
      sessionGroup: undefined,
      sessionAttached: 0,
      windows: windows.length,
    }));
    return {
      bootId: "1:1",
      serverPid: 1,
      startTime: 1,
      version: "3.4",
      sessions,
      rows,
      panes: distinctPanes(rows),
      malformed: 0,
    };
  }

  #agent(paneId: string): AgentFacts | undefined {
    const pane = this.#panes.find(({ id }) => `%${id}` === paneId);
    if (pane?.agent === undefined) return undefined;
    const { type, state, version } = pane.agent;
    const runtimeId = String(pane.id).padStart(64, "0");
    return {
      record: {
        runtimeId,
        targetId: this.target,
        bootId: "1:1",
        paneId,
        paneEpoch: 1,
        agentType: type,
        hostBootId: "h",
        agentPid: 1_000 + pane.id,
        agentStartRaw: "1",
        startedAtNs: 1_000_000n,
        agentSessionId: "",
        panePid: 1_000 + pane.id,
        session: "",
        windowId: "",
        cwd: "/",
        createdAt: 1,
      },
      state: {
        runtimeId,
        status: {
          state,
          reason: "r",
          confidence: "high",
          source: "hook",
          channel: "",
          eventId: "",
          at: 1,
          since: 1,
        },
        stateVersion: version,
        updatedAt: version,
        promptId: "",
      },
      promptText: "",
    };
  }

  #pick<T>(from: readonly T[]): T {
    const chosen = from[Math.floor(this.chance() * from.length)];
    if (chosen === undefined) throw new Error("nothing to pick from");
    return chosen;
  }
}
