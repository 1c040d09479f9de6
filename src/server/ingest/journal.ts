import type { AnyAdapter } from "../adapters/contract.js";
import { channelKey, compareOrder, effectiveTime, type OrderKey, orderKey } from "../engine/order.js";
import type { Micros } from "../engine/state.js";
import { extend } from "../engine/timeline.js";
import type { EventRecord } from "../store/event-store.js";
import type { Ending, RuntimeRecord } from "../store/runtime-store.js";
import type { Store } from "../store/store.js";
import { Binder } from "./binder.js";
import { Counters } from "./counters.js";
import { type DropReason, Inbox } from "./inbox.js";
import {
  foldStored,
  freshRuntime,
  hasMoved,
  hasPids,
  type LiveRuntime,
  nextState,
  type RuntimeFacts,
  reducerName,
} from "./live-runtime.js";
import type { PreparedEvent } from "./prepared-event.js";
import { rebase } from "./rebase.js";

export interface JournalSettings {
  readonly skewBudgetMicros: Micros;
  readonly bindWindowMicros: Micros;
  readonly bindTtlMs: number;
  readonly checkpointEvery: number;
  readonly eventsKeptMs: number;
}

/** What became of one prepared event. */
export type Outcome =
  | { readonly kind: "accepted"; readonly runtimeId: string }
  | { readonly kind: "duplicate" }
  | { readonly kind: "pending" }
  | { readonly kind: "dropped"; readonly reason: DropReason };

/** What one commit changed; told to listeners after it is on disk. */
export interface Commit {
  /** Runtimes that opened or whose fold moved. */
  readonly touched: readonly LiveRuntime[];
  readonly ended: readonly RuntimeRecord[];
  /** Bound events, in the order of their acceptance. */
  readonly events: readonly EventRecord[];
}

interface Unfolded {
  readonly events: EventRecord[];
  newest: OrderKey | undefined;
}

/**
 * The one place where runtimes open and end, events are bound, ordered and folded, and states are written. Every
 * change is one transaction; what it changed in memory and what listeners hear comes after the commit.
 */
export class Journal {
  readonly counters = new Counters();
  readonly #binder: Binder;
  readonly #inbox: Inbox;
  #runtimes = new Map<string, LiveRuntime>();
  #staged: Map<string, LiveRuntime> | undefined;
  /** Stored in this transaction and not yet folded, by runtime: a commit is folded once, at its end. */
  #unfolded = new Map<string, Unfolded>();
  #ended: RuntimeRecord[] = [];
  #events: EventRecord[] = [];
  readonly #listeners = new Set<(commit: Commit) => void>();

  constructor(
    private readonly store: Store,
    private readonly adapterOf: (agentType: string) => AnyAdapter | undefined,
    private readonly settings: JournalSettings,
    /** Whether a target has shown its complete topology in this daemon life; the bind TTL waits for it. */
    private readonly targetSeen: (targetId: string) => boolean,
    /** See `Binder`. */
    private readonly targetsOf: (tmuxSocket: string) => readonly string[],
  ) {
    this.#inbox = new Inbox(store);
    this.#binder = new Binder(
      () => this.runtimes(),
      targetsOf,
      (session, targets) => store.runtimes.ofSession(session, targets),
      settings.bindWindowMicros,
    );
  }

  /** Folds the active runtimes of an earlier daemon life. Call once, before anything else. */
  load(now: Micros): void {
    this.transaction(() => {
      for (const record of this.store.runtimes.active()) {
        const adapter = this.adapterOf(record.agentType);
        if (adapter === undefined) {
          this.end(record.runtimeId, { at: now, reason: "adapter_gone" });
          continue;
        }
        const fresh = freshRuntime(record, adapter, now);
        const timeline = foldStored(this.store, record, adapter);
        const before = this.store.states.find(record.runtimeId) ?? fresh.state;
        const state = nextState(before, timeline.fold, now);
        this.store.states.restore(state);
        const base = this.store.checkpoints.base(record.runtimeId, reducerName(adapter));
        this.#stage({ ...fresh, ...timeline, base, state });
      }
    });
  }

  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  runtime(runtimeId: string): LiveRuntime | undefined {
    const staged = this.#staged;
    return (staged ?? this.#runtimes).get(runtimeId);
  }

  /** All active runtimes. */
  runtimes(): IterableIterator<LiveRuntime> {
    return (this.#staged ?? this.#runtimes).values();
  }

  /** Runs several changes as one commit. Not re-entrant. */
  transaction<T>(work: () => T): T {
    if (this.#staged !== undefined) throw new Error("journal transactions do not nest");
    this.#staged = new Map(this.#runtimes);
    this.#unfolded = new Map();
    this.#ended = [];
    this.#events = [];
    const counted = this.counters.mark();
    let result: T;
    try {
      result = this.store.transaction(() => {
        const done = work();
        for (const runtimeId of this.#unfolded.keys()) this.#fold(runtimeId);
        return done;
      });
    } catch (error) {
      this.counters.rollback(counted);
      this.#staged = undefined;
      this.#binder.forget();
      throw error;
    }
    const before = this.#runtimes;
    this.#runtimes = this.#staged;
    this.#staged = undefined;
    const touched = [...this.#runtimes.values()].filter(
      (runtime) => before.get(runtime.record.runtimeId) !== runtime,
    );
    const commit: Commit = { touched, ended: this.#ended, events: this.#events };
    if (touched.length + commit.ended.length + commit.events.length > 0) {
      for (const listener of this.#listeners) tell(listener, commit);
    }
    return result;
  }

  /** Opens a runtime in its pane. Throws SqliteError if the pane has an active one: end that first. */
  open(record: RuntimeRecord, pids: readonly number[]): void {
    const adapter = this.#adapter(record.agentType);
    this.store.runtimes.insert(record);
    const fresh = { ...freshRuntime(record, adapter, record.createdAt), pids };
    this.store.states.write(fresh.state);
    this.#stage(fresh);
  }

  end(runtimeId: string, ending: Ending): void {
    this.#fold(runtimeId);
    this.store.runtimes.end(runtimeId, ending);
    this.store.checkpoints.dropAll(runtimeId);
    const staged = this.#stagedMap();
    const runtime = staged.get(runtimeId);
    if (runtime === undefined) return;
    staged.delete(runtimeId);
    this.#binder.forget();
    this.#ended.push({
      ...runtime.record,
      endedAt: ending.at,
      endReason: ending.reason,
      exitStatus: ending.exitStatus,
    });
  }

  /** What the observer saw of a runtime's processes and place. */
  observe(runtimeId: string, facts: RuntimeFacts): void {
    const runtime = this.#stagedMap().get(runtimeId);
    if (runtime === undefined) return;
    const moved = hasMoved(runtime, facts);
    if (!moved && hasPids(runtime, facts)) return;
    if (moved) this.store.runtimes.setPlace(runtimeId, facts);
    const { session, windowId, cwd } = facts;
    this.#stage({ ...runtime, pids: facts.pids, record: { ...runtime.record, session, windowId, cwd } });
  }

  /** Takes one event, inside a transaction. */
  accept(event: PreparedEvent, ingestedAt: Micros): Outcome {
    const outcome = this.#accept(event, ingestedAt);
    this.counters.count(event, outcome.kind, ingestedAt);
    return outcome;
  }

  /** Tries the inbox again: binds what now fits, drops what has waited too long. Returns how many wait on. */
  retryInbox(now: Micros): number {
    let waiting = 0;
    for (const { event, ingestedAt } of this.#inbox.waiting()) {
      const binding = this.#binder.bind(event);
      if (binding.kind === "bound") {
        this.#inbox.bound(event);
        const outcome = this.#apply(binding.runtimeId, event, ingestedAt);
        this.counters.count(event, outcome.kind, ingestedAt);
      } else if (this.#ripe(event, ingestedAt, now)) {
        this.#inbox.dropWaiting(event, binding.kind === "ambiguous" ? "bind_ambiguous" : "bind_ttl_expired");
        this.counters.count(event, "dropped", now);
      } else waiting += 1;
    }
    return waiting;
  }

  /**
   * Takes away a living runtime's oldest events that are older than `cutoff`, at most about `limit`, inside a
   * transaction. Its state stays. Returns how many went.
   */
  forget(runtimeId: string, cutoff: Micros, limit: number): number {
    const runtime = this.#stagedMap().get(runtimeId);
    if (runtime === undefined) return 0;
    const rebased = rebase(this.store, runtime, this.#adapter(runtime.record.agentType), cutoff, limit);
    if (rebased === undefined) return 0;
    this.#stage({ ...runtime, base: rebased.base });
    return rebased.removed;
  }

  /** Whether anything waits in the inbox. */
  hasPending(): boolean {
    return this.store.inbox.hasPending();
  }

  #ripe(event: PreparedEvent, ingestedAt: Micros, now: Micros): boolean {
    const possible = event.hints.targetIds ?? this.targetsOf("");
    if (!possible.every((target) => this.targetSeen(target))) return false;
    return now - ingestedAt > this.settings.bindTtlMs * 1_000;
  }

  #accept(event: PreparedEvent, ingestedAt: Micros): Outcome {
    if (this.store.events.isKnown(event.eventId) || this.store.inbox.isKnown(event.eventId)) {
      return { kind: "duplicate" };
    }
    const binding = this.#binder.bind(event);
    if (binding.kind === "bound") return this.#apply(binding.runtimeId, event, ingestedAt);
    if (binding.kind === "ambiguous") return this.#drop(event, ingestedAt, "bind_ambiguous");
    const { runtimeId } = event.hints;
    if (runtimeId !== undefined && this.store.runtimes.find(runtimeId) !== undefined) {
      return this.#drop(event, ingestedAt, "bind_no_candidate");
    }
    return this.#inbox.wait(event, ingestedAt) ? { kind: "pending" } : { kind: "duplicate" };
  }

  #drop(event: PreparedEvent, ingestedAt: Micros, reason: DropReason): Outcome {
    const kept = this.#inbox.drop(event, ingestedAt, reason);
    return kept ? { kind: "dropped", reason } : { kind: "duplicate" };
  }

  #apply(runtimeId: string, event: PreparedEvent, ingestedAt: Micros): Outcome {
    const runtime = this.#stagedMap().get(runtimeId);
    if (runtime === undefined) return this.#drop(event, ingestedAt, "bind_no_candidate");
    const effective = effectiveTime({ ...event, ingestedAt }, this.settings.skewBudgetMicros);
    const old = effective < ingestedAt - this.settings.eventsKeptMs * 1_000;
    const bound: EventRecord = { ...event, runtimeId, ingestedAt, effectiveTime: effective, late: old };
    const late = old || !isBehindBase(runtime, bound);
    const record = late === old ? bound : { ...bound, late };
    if (!this.store.events.insert(record)) return { kind: "duplicate" };
    this.#events.push(record);
    if (!late) this.#take(runtime, record, event.agentSessionId);
    return { kind: "accepted", runtimeId };
  }

  /** Notes an event that is stored: it is folded with the others of its commit. */
  #take(runtime: LiveRuntime, event: EventRecord, agentSessionId: string | undefined): void {
    const { fold, record } = runtime;
    const unfolded = this.#unfolded.get(record.runtimeId) ?? { events: [], newest: fold.last };
    const key = orderKey(event, fold.marks);
    const isNewest = unfolded.newest === undefined || compareOrder(unfolded.newest, key) < 0;
    unfolded.events.push(event);
    if (isNewest) unfolded.newest = key;
    this.#unfolded.set(record.runtimeId, unfolded);
    // A late event tells of a session that may be over.
    const named = isNewest || record.agentSessionId === "" ? this.#named(record, agentSessionId) : record;
    this.#stage({ ...runtime, record: named });
  }

  #fold(runtimeId: string): void {
    const events = this.#unfolded.get(runtimeId)?.events;
    const runtime = this.#stagedMap().get(runtimeId);
    if (events === undefined || runtime === undefined) return;
    this.#unfolded.delete(runtimeId);
    const adapter = this.#adapter(runtime.record.agentType);
    const extended = extend(runtime, events, adapter.reducer);
    const from =
      extended === undefined
        ? Math.min(...events.map(({ effectiveTime: at }) => at))
        : extended.disturbedFrom;
    if (from !== undefined) this.store.checkpoints.dropFrom(runtimeId, from);
    const { fold, tail } = extended?.timeline ?? foldStored(this.store, runtime.record, adapter, from);
    const state = nextState(runtime.state, fold, Math.max(...events.map(({ ingestedAt }) => ingestedAt)));
    this.store.states.replace(state, runtime.state);
    const { checkpointEvery } = this.settings;
    if (Math.floor(fold.count / checkpointEvery) > Math.floor(runtime.fold.count / checkpointEvery)) {
      this.store.checkpoints.write(runtimeId, reducerName(adapter), fold);
    }
    this.#stage({ ...runtime, fold, tail, state });
  }

  #named(record: RuntimeRecord, agentSessionId: string | undefined): RuntimeRecord {
    if (agentSessionId === undefined || agentSessionId === record.agentSessionId) return record;
    this.store.runtimes.setAgentSession(record.runtimeId, agentSessionId);
    return { ...record, agentSessionId };
  }

  #adapter(agentType: string): AnyAdapter {
    const adapter = this.adapterOf(agentType);
    if (adapter === undefined) throw new Error(`no adapter for ${agentType}`);
    return adapter;
  }

  #stagedMap(): Map<string, LiveRuntime> {
    if (this.#staged === undefined) throw new Error("the journal is changed inside a transaction only");
    return this.#staged;
  }

  #stage(runtime: LiveRuntime): void {
    const staged = this.#stagedMap();
    const before = staged.get(runtime.record.runtimeId);
    if (before?.record !== runtime.record || before.pids !== runtime.pids) this.#binder.forget();
    staged.set(runtime.record.runtimeId, runtime);
  }
}

/** On a sequenced channel the sequence decides: the time of an event depends on what else is there. */
function isBehindBase({ base }: LiveRuntime, event: EventRecord): boolean {
  if (base?.last === undefined) return true;
  if (event.sourceSeq === undefined) return compareOrder(base.last, orderKey(event, base.marks)) < 0;
  return event.sourceSeq > (base.marks[channelKey(event)]?.seq ?? -1);
}

/** What a listener throws is a defect of the daemon; it must not make an answer say that nothing was stored. */
function tell(listener: (commit: Commit) => void, commit: Commit): void {
  try {
    listener(commit);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
