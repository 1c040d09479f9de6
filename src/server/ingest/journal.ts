import type { AnyAdapter } from "../adapters/contract.js";
import { type Binding, type BindingCandidate, bind } from "../engine/bind.js";
import { canExtend } from "../engine/fold.js";
import { effectiveTime } from "../engine/order.js";
import type { Micros } from "../engine/state.js";
import type { EventRecord } from "../store/event-store.js";
import type { Ending, RuntimeRecord } from "../store/runtime-store.js";
import type { Store } from "../store/store.js";
import { Counters } from "./counters.js";
import {
  foldIn,
  foldStored,
  freshRuntime,
  type LiveRuntime,
  nextState,
  reducerName,
} from "./live-runtime.js";
import type { PreparedEvent } from "./prepared-event.js";

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
  | { readonly kind: "dropped"; readonly reason: string };

/** What one commit changed; told to listeners after it is on disk. */
export interface Commit {
  /** Runtimes that opened or whose fold moved. */
  readonly touched: readonly LiveRuntime[];
  readonly ended: readonly RuntimeRecord[];
  /** Bound events, in the order of their acceptance. */
  readonly events: readonly EventRecord[];
}

export interface RuntimeFacts {
  readonly pids: readonly number[];
  readonly session: string;
  readonly windowId: string;
  readonly cwd: string;
}

/**
 * The one place where runtimes open and end, events are bound, ordered and folded, and states are written. Every
 * change is one transaction; what it changed in memory and what listeners hear comes after the commit.
 */
export class Journal {
  readonly counters = new Counters();
  #runtimes = new Map<string, LiveRuntime>();
  #staged: Map<string, LiveRuntime> | undefined;
  #ended: RuntimeRecord[] = [];
  #events: EventRecord[] = [];
  readonly #listeners = new Set<(commit: Commit) => void>();

  constructor(
    private readonly store: Store,
    private readonly adapterOf: (agentType: string) => AnyAdapter | undefined,
    private readonly settings: JournalSettings,
    /** Whether a target has shown its complete topology in this daemon life; the bind TTL waits for it. */
    private readonly targetSeen: (targetId: string) => boolean,
    /**
     * Targets of this host whose tmux server has that socket, as far as they have answered; all of them for ''. Asked
     * at every attempt to bind: a spool is read before the targets are.
     */
    private readonly targetsOf: (tmuxSocket: string) => readonly string[],
    /** All targets of this host. */
    private readonly localTargets: () => readonly string[],
  ) {}

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
        const fold = foldStored(this.store, record, adapter);
        const before = this.store.states.find(record.runtimeId) ?? fresh.state;
        const state = nextState(before, fold, now);
        this.store.states.write(state);
        const lastSign = Math.max(this.store.events.lastSign(record.runtimeId) ?? 0, fresh.lastSign);
        this.#stage({ ...fresh, fold, state, lastSign });
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
    this.#ended = [];
    this.#events = [];
    const counted = this.counters.mark();
    let result: T;
    try {
      result = this.store.transaction(work);
    } catch (error) {
      this.counters.rollback(counted);
      this.#staged = undefined;
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
    this.store.runtimes.end(runtimeId, ending);
    const staged = this.#stagedMap();
    const runtime = staged.get(runtimeId);
    if (runtime === undefined) return;
    staged.delete(runtimeId);
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
    const { record } = runtime;
    const moved =
      record.session !== facts.session || record.windowId !== facts.windowId || record.cwd !== facts.cwd;
    const samePids =
      facts.pids.length === runtime.pids.length && facts.pids.every((pid, i) => runtime.pids[i] === pid);
    if (!moved && samePids) return;
    if (moved) this.store.runtimes.setPlace(runtimeId, facts);
    const { session, windowId, cwd } = facts;
    this.#stage({ ...runtime, pids: facts.pids, record: { ...record, session, windowId, cwd } });
  }

  /** Takes one event, inside a transaction. */
  accept(event: PreparedEvent, ingestedAt: Micros): Outcome {
    const outcome = this.#accept(event, ingestedAt);
    this.counters.count(event, outcome.kind, ingestedAt);
    return outcome;
  }

  /** Tries the inbox again: binds what now fits, drops what has waited too long. Returns how many wait on. */
  retryInbox(now: Micros): number {
    const pending = this.store.inbox.pending();
    let waiting = 0;
    for (const entry of pending) {
      // Written by #await below; the column has no other writer.
      const event = JSON.parse(entry.event) as PreparedEvent;
      const binding = this.#bind(event);
      if (binding.kind === "bound") {
        this.store.inbox.settle(entry.eventId, "bound");
        const outcome = this.#apply(binding.runtimeId, event, entry.ingestedAt);
        this.counters.count(event, outcome.kind, entry.ingestedAt);
      } else if (this.#ripe(event, entry.ingestedAt, now)) {
        const reason = binding.kind === "ambiguous" ? "bind_ambiguous" : "bind_ttl_expired";
        this.store.inbox.settle(entry.eventId, "dropped_unbound", reason);
        this.counters.count(event, "dropped", now);
      } else waiting += 1;
    }
    return waiting;
  }

  /** Whether anything waits in the inbox. */
  hasPending(): boolean {
    return this.store.inbox.pending().length > 0;
  }

  #ripe(event: PreparedEvent, ingestedAt: Micros, now: Micros): boolean {
    const possible = event.hints.targetIds ?? this.localTargets();
    if (!possible.every((target) => this.targetSeen(target))) return false;
    return now - ingestedAt > this.settings.bindTtlMs * 1_000;
  }

  #accept(event: PreparedEvent, ingestedAt: Micros): Outcome {
    if (this.store.events.isKnown(event.eventId) || this.store.inbox.isKnown(event.eventId)) {
      return { kind: "duplicate" };
    }
    const binding = this.#bind(event);
    if (binding.kind === "bound") return this.#apply(binding.runtimeId, event, ingestedAt);
    if (binding.kind === "ambiguous") return this.#drop(event, ingestedAt, "bind_ambiguous");
    const { runtimeId } = event.hints;
    if (runtimeId !== undefined && this.store.runtimes.find(runtimeId) !== undefined) {
      return this.#drop(event, ingestedAt, "bind_no_candidate");
    }
    return this.#await(event, ingestedAt);
  }

  #bind(event: PreparedEvent): Binding {
    const { hints, tmuxSocket = "" } = event;
    const targetIds = hints.targetIds ?? this.targetsOf(tmuxSocket);
    const candidates = this.#candidates(event.agentType);
    return bind({ ...hints, targetIds }, candidates, this.settings.bindWindowMicros);
  }

  #candidates(agentType: string): BindingCandidate[] {
    const candidates: BindingCandidate[] = [];
    for (const { record, pids } of this.runtimes()) {
      if (record.agentType !== agentType) continue;
      candidates.push({
        runtimeId: record.runtimeId,
        targetId: record.targetId,
        paneId: record.paneId,
        serverPid: Number(record.bootId.split(":")[0]),
        agentType,
        agentSessionId: record.agentSessionId || undefined,
        cwd: record.cwd || undefined,
        pids: pids.length === 0 ? [record.agentPid] : pids,
        startedAt: Number(record.startedAtNs / 1_000n),
      });
    }
    return candidates;
  }

  #inboxEntry(event: PreparedEvent, ingestedAt: Micros) {
    return {
      eventId: event.eventId,
      // Known only of what the daemon itself read; '' stands for a target that binding will tell.
      targetId: event.hints.targetIds?.[0] ?? "",
      paneId: event.hints.pane?.paneId ?? "",
      source: event.source,
      channel: event.channel,
      dedupeKey: event.dedupeKey,
      event: JSON.stringify(event),
      ingestedAt,
    };
  }

  #await(event: PreparedEvent, ingestedAt: Micros): Outcome {
    const kept = this.store.inbox.insert(this.#inboxEntry(event, ingestedAt), "pending_bind");
    return kept ? { kind: "pending" } : { kind: "duplicate" };
  }

  #drop(event: PreparedEvent, ingestedAt: Micros, reason: string): Outcome {
    const kept = this.store.inbox.insert(this.#inboxEntry(event, ingestedAt), "dropped_unbound", reason);
    return kept ? { kind: "dropped", reason } : { kind: "duplicate" };
  }

  #apply(runtimeId: string, event: PreparedEvent, ingestedAt: Micros): Outcome {
    const runtime = this.#stagedMap().get(runtimeId);
    if (runtime === undefined) return this.#drop(event, ingestedAt, "bind_no_candidate");
    const adapter = this.#adapter(runtime.record.agentType);
    const effective = effectiveTime({ ...event, ingestedAt }, this.settings.skewBudgetMicros);
    const late = effective < ingestedAt - this.settings.eventsKeptMs * 1_000;
    const record: EventRecord = { ...event, runtimeId, ingestedAt, effectiveTime: effective, late };
    const inOrder = canExtend(runtime.fold, record);
    if (!this.store.events.insert(record)) return { kind: "duplicate" };
    this.#events.push(record);
    if (!late) this.#fold(runtime, record, adapter, inOrder);
    return { kind: "accepted", runtimeId };
  }

  #fold(runtime: LiveRuntime, event: EventRecord, adapter: AnyAdapter, inOrder: boolean): void {
    const fold = foldIn(this.store, runtime, event, adapter, inOrder);
    const state = nextState(runtime.state, fold, event.ingestedAt);
    this.store.states.write(state);
    if (fold.count % this.settings.checkpointEvery === 0) {
      this.store.checkpoints.write(runtime.record.runtimeId, reducerName(adapter), fold);
    }
    // A late event tells of a session that may be over.
    const record =
      inOrder || runtime.record.agentSessionId === "" ? this.#named(runtime.record, event) : runtime.record;
    this.#stage({ ...runtime, record, fold, state, lastSign: lastSign(runtime, event) });
  }

  #named(record: RuntimeRecord, event: EventRecord & { agentSessionId?: string | undefined }): RuntimeRecord {
    const { agentSessionId } = event;
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
    this.#stagedMap().set(runtime.record.runtimeId, runtime);
  }
}

function lastSign(runtime: LiveRuntime, event: EventRecord): Micros {
  const daemons =
    event.source === "reconciler" || event.source === "action" || event.transition === undefined;
  return daemons ? runtime.lastSign : Math.max(runtime.lastSign, event.effectiveTime);
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
