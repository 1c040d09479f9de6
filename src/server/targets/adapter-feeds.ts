import type {
  AdapterSubscription,
  AgentHost,
  AnyAdapter,
  NativeSignal,
  RuntimeView,
} from "../adapters/contract.js";
import type { Transition } from "../engine/event.js";
import type { Micros } from "../engine/state.js";
import type { AgentFiles } from "./local-host.js";

interface FeedEvents {
  readonly emit: (signals: readonly NativeSignal[]) => Promise<void>;
  readonly look: (runtimeId: string) => Promise<void>;
  readonly degraded: (agentType: string, channel: string, message: string | undefined) => void;
}

export interface SeenView {
  readonly agentType: string;
  readonly view: RuntimeView;
}

interface Subscribed {
  readonly subscription: AdapterSubscription;
  readonly over: AbortController;
}

/** The native channels of one target's agents: each adapter's subscription, and what the titles say. */
export class AdapterFeeds {
  readonly #subscriptions = new Map<string, Subscribed>();
  readonly #titles = new Map<string, string>();

  constructor(
    private readonly adapters: readonly AnyAdapter[],
    private readonly files: AgentFiles,
    private readonly now: () => Micros,
    private readonly events: FeedEvents,
    /** What the host's clock is ahead of `now`. */
    private readonly clockOffset: () => Micros = () => 0,
  ) {}

  /** All runtimes of the target, after every reading. Resolves when what the titles say is stored. */
  async update(seen: readonly SeenView[]): Promise<void> {
    const signals: NativeSignal[] = [];
    for (const adapter of this.adapters) {
      const views = seen.filter(({ agentType }) => agentType === adapter.agentType).map(({ view }) => view);
      signals.push(...this.#readTitles(adapter, views));
      this.#subscribe(adapter, views);
    }
    const present = new Set(seen.map(({ view }) => view.runtimeId));
    for (const id of this.#titles.keys()) if (!present.has(id)) this.#titles.delete(id);
    if (signals.length > 0) await this.events.emit(signals);
  }

  /** Has the next update subscribe anew, so that everything is read and told in full. */
  reread(): void {
    this.close();
    this.#titles.clear();
  }

  close(): void {
    for (const subscribed of this.#subscriptions.values()) this.#end(subscribed);
    this.#subscriptions.clear();
  }

  /** A subscription exists only while there is an agent to listen to. */
  #subscribe(adapter: AnyAdapter, views: readonly RuntimeView[]): void {
    if (adapter.subscribe === undefined) return;
    let subscribed = this.#subscriptions.get(adapter.agentType);
    if (views.length === 0) {
      if (subscribed !== undefined) this.#end(subscribed);
      this.#subscriptions.delete(adapter.agentType);
      return;
    }
    if (subscribed === undefined) {
      const over = new AbortController();
      subscribed = { subscription: adapter.subscribe(this.#host(adapter, over.signal)), over };
      this.#subscriptions.set(adapter.agentType, subscribed);
    }
    subscribed.subscription.update(views);
    subscribed.subscription.tick();
  }

  #end({ subscription, over }: Subscribed): void {
    over.abort();
    subscription.close();
  }

  /** Adapters live by the host's clock; their signals are told by ours. */
  #host(adapter: AnyAdapter, over: AbortSignal): AgentHost {
    return {
      ...this.files,
      now: () => this.now() + this.clockOffset(),
      emit: (signals) => {
        const offset = this.clockOffset();
        void this.events.emit(signals.map((signal) => ({ ...signal, eventTime: signal.eventTime - offset })));
      },
      look: (runtimeId) => this.events.look(runtimeId),
      degraded: (channel, message) => {
        // What was being read when the subscription ended says nothing of the next one.
        if (!over.aborted) this.events.degraded(adapter.agentType, channel, message);
      },
    };
  }

  /** What the titles say that they did not say before. */
  #readTitles(adapter: AnyAdapter, views: readonly RuntimeView[]): NativeSignal[] {
    if (adapter.readTitle === undefined) return [];
    const signals: NativeSignal[] = [];
    for (const view of views) {
      const transition = adapter.readTitle(view.title);
      if (transition === undefined) continue;
      const word = JSON.stringify(transition);
      if (this.#titles.get(view.runtimeId) === word) continue;
      this.#titles.set(view.runtimeId, word);
      signals.push(titleSignal(view, transition, this.now()));
    }
    return signals;
  }
}

function titleSignal(view: RuntimeView, transition: Transition, now: Micros): NativeSignal {
  return {
    runtimeId: view.runtimeId,
    source: "native",
    channel: "title",
    eventType: "title",
    eventTime: now,
    resolution: 1,
    dedupeKey: String(now),
    transition,
  };
}
