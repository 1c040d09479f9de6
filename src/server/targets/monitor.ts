import { setTimeout as delay } from "node:timers/promises";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import type { AnyAdapter, NativeSignal } from "../adapters/contract.js";
import type { Micros } from "../engine/state.js";
import type { GroupCommit } from "../ingest/group-commit.js";
import type { Journal } from "../ingest/journal.js";
import { fromNative } from "../ingest/native-signals.js";
import type { Logger } from "../log.js";
import { StoreFault } from "../store/fault.js";
import type { RuntimeStore } from "../store/runtime-store.js";
import type { TargetRecord } from "../store/target-store.js";
import { NO_SERVER, type Topology } from "../tmux/topology.js";
import { AdapterFeeds } from "./adapter-feeds.js";
import { DoorbellKeeper } from "./doorbell-keeper.js";
import { type Executor, ExecutorError } from "./executor.js";
import type { Health, HealthSettings } from "./health.js";
import { HealthKeeper } from "./health-keeper.js";
import { pollPace } from "./poll-pace.js";
import type { ProcessProof } from "./process-proof.js";
import { tellProcessStates } from "./process-states.js";
import { HostUnsupported } from "./process-table.js";
import { PromptLooks } from "./prompt-looks.js";
import { rememberedTopology } from "./remembered-topology.js";
import { Rounds } from "./rounds.js";
import { RuntimeTracker, type TrackerSettings } from "./runtime-tracker.js";
import { type LookSettings, ScreenLooker } from "./screen-looker.js";
import { ScreenRounds } from "./screen-rounds.js";
import { type Shortcoming, Shortcomings } from "./shortcomings.js";
import type { SshError } from "./ssh/connection.js";
import type { ConnectOptions } from "./ssh/ssh-link.js";
import type { ProcessSignal, TargetHost } from "./target-host.js";
import { type ReaderSettings, TopologyReader } from "./topology-reader.js";

export interface MonitorSettings extends HealthSettings, TrackerSettings, LookSettings, ReaderSettings {
  readonly commandTimeoutMs: number;
  readonly topologyActiveMs: number;
  readonly topologyIdleMs: number;
  readonly agentPidLookMs: number;
  readonly doorbellDebounceMs: number;
  readonly doorbellRetryMs: number;
}

export interface MonitorParts {
  readonly host: TargetHost;
  readonly adapters: readonly AnyAdapter[];
  readonly journal: Journal;
  readonly commit: GroupCommit;
  readonly runtimes: RuntimeStore;
  readonly now: () => Micros;
  readonly log: Logger;
  readonly settings: MonitorSettings;
  /** Another topology was read than the last, or other agents, and the runtimes follow it. */
  readonly onTopology: (target: string, topology: Topology) => void;
  readonly onHealth: (target: string, health: Health) => void;
}

/** Longest wait for a connection that is to be made now, for whoever asked; a handshake may take 15 s per hop. */
const CONNECT_PATIENCE_MS = 40_000;
/** Longest wait for one before everything is observed anew; others wait for that. */
const HURRY_PATIENCE_MS = 5_000;

/** After this long without any change the poll slows down. */
const QUIET_AFTER_MS = 10_000;

/**
 * Observes one target: hears its doorbell, reads its topology, follows its agents' processes, screens and native
 * channels, and keeps its health. One round at a time; whatever rings during a round leads to one more.
 */
export class TargetMonitor {
  #topology: Topology | undefined;
  #unsupported: string | undefined;
  #pidTimer: NodeJS.Timeout | undefined;
  #stopped = false;
  #lastChange: Micros = 0;
  readonly #rounds: Rounds;
  readonly #health: HealthKeeper;
  readonly #shortcomings: Shortcomings;
  readonly #reader: TopologyReader;
  readonly #tracker: RuntimeTracker;
  readonly #doorbell: DoorbellKeeper;
  readonly #screens: ScreenRounds;
  readonly #feeds: AdapterFeeds;
  readonly #prompts: PromptLooks;
  readonly #endOfGaps: () => void;
  readonly #endOfCommits: () => void;
  readonly looker: ScreenLooker;

  constructor(
    readonly target: TargetRecord,
    private readonly parts: MonitorParts,
  ) {
    const { journal, runtimes, adapters, now, settings } = parts;
    const { executor, processes, files, clockOffset } = parts.host;
    this.#rounds = new Rounds({
      // Without a connection there is nothing to observe; the link tells when there is.
      mayBegin: () => this.#reached,
      observe: () => this.#observe(),
      intervalMs: () => this.#intervalMs(),
      leastMs: settings.doorbellDebounceMs,
    });
    this.#health = new HealthKeeper(now, settings, (health) => this.#healthChanged(health));
    this.#shortcomings = new Shortcomings(now);
    this.#reader = new TopologyReader(executor, now, settings);
    this.#tracker = new RuntimeTracker(
      target.targetId,
      journal,
      runtimes,
      processes,
      adapters,
      now,
      settings,
    );
    this.looker = new ScreenLooker(now, settings);
    this.#doorbell = new DoorbellKeeper(executor, settings, {
      onRing: () => this.kick(settings.doorbellDebounceMs),
      onLost: (message) => this.#shortcomings.note("doorbell_lost", `${target.targetId}/doorbell`, message),
    });
    const publish = (signals: readonly NativeSignal[]): Promise<void> => this.#publish(signals);
    this.#screens = new ScreenRounds({ executor, adapters, looker: this.looker, publish });
    const feedEvents = {
      emit: publish,
      look: (runtimeId: string) => this.look(runtimeId),
      degraded: (agentType: string, channel: string, message: string | undefined) =>
        this.#shortcomings.note("channel_degraded", `${target.targetId}/${agentType}/${channel}`, message),
    };
    this.#feeds = new AdapterFeeds(adapters, files, now, feedEvents, clockOffset);
    this.#endOfGaps = parts.commit.onGap(() => this.#lookAnew());
    this.#prompts = new PromptLooks({
      targetId: target.targetId,
      runtime: (runtimeId) => journal.runtime(runtimeId),
      look: (runtimeId) => this.look(runtimeId),
    });
    this.#endOfCommits = journal.onCommit((commit) => this.#prompts.follow(commit));
  }

  get health(): Health {
    return this.#health.health;
  }

  /** As last read, complete; undefined before the first. */
  get topology(): Topology | undefined {
    return this.#topology;
  }

  /** Runs tmux of this target. */
  get executor(): Executor {
    return this.parts.host.executor;
  }

  /** Signals a process of this target's host; see TargetHost. */
  signal(process: ProcessProof, signal: ProcessSignal): Promise<boolean> {
    return this.parts.host.signal(process, signal);
  }

  /** Path of the tmux server's socket, as the server names it; '' while unknown. */
  get socketPath(): string {
    return this.#reader.socketPath;
  }

  get shortcomings(): readonly Shortcoming[] {
    const { targetId } = this.target;
    this.#shortcomings.note("spool_only", `${targetId}/hooks`, this.parts.host.spoolOnly);
    return this.#shortcomings.list;
  }

  /** Where the hooks of a target on another host are; see TargetHost. */
  openHooks(): ReturnType<NonNullable<TargetHost["openHooks"]>> | undefined {
    return this.parts.host.openHooks?.();
  }

  /** The target is given up: nothing of it stays on its host. */
  async retire(): Promise<void> {
    await this.parts.host.retire?.();
  }

  /** Why this target does not answer, in the contract's words. */
  get fault(): { readonly code: ErrorCode; readonly message: string } | undefined {
    if (this.#unsupported !== undefined) {
      return { code: ErrorCode.E_TMUX_UNSUPPORTED, message: `tmux ${this.#unsupported} is older than 3.3` };
    }
    if (this.health.state === "down" || this.#topology === undefined) {
      return { code: ErrorCode.E_TARGET_UNREACHABLE, message: this.#health.why };
    }
    return undefined;
  }

  start(options: ConnectOptions = {}): void {
    const { link } = this.parts.host;
    if (link === undefined) {
      this.#pidTimer = setInterval(() => this.#lookAtPids(), this.parts.settings.agentPidLookMs);
      this.kick(0);
      return;
    }
    const events = {
      onUp: () => this.kick(0),
      onDown: (error: SshError, final: boolean) => this.#disconnected(error, final),
    };
    link.start(events, options);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#pidTimer);
    const rounds = this.#rounds.stop();
    this.#doorbell.close();
    this.#feeds.close();
    this.#endOfGaps();
    this.#endOfCommits();
    this.#prompts.close();
    await this.parts.host.close();
    await rounds;
  }

  /** Has a round begin within `delayMs`. */
  kick(delayMs: number): void {
    this.#rounds.kick(delayMs);
  }

  /** Runs a round now and resolves when one that began after this call has ended, or the target cannot be reached. */
  async refresh(): Promise<void> {
    const { link } = this.parts.host;
    if (link !== undefined) await within(link.hurry(), HURRY_PATIENCE_MS);
    await this.#rounds.now();
  }

  /** Connects if need be, now, and observes until health says how it went. */
  async connect(): Promise<void> {
    const { link } = this.parts.host;
    if (link !== undefined) await within(link.connect(), CONNECT_PATIENCE_MS);
    await this.#rounds.now();
    // One good probe after a failure is none yet.
    if (this.health.goodProbes > 0 && this.health.state === "degraded") await this.#rounds.now();
  }

  /** Looks at one runtime's screen now and publishes what it says. */
  async look(runtimeId: string): Promise<void> {
    const runtime = this.parts.journal.runtime(runtimeId);
    const pane = this.#topology?.panes.find((row) => row.paneId === runtime?.record.paneId);
    if (runtime === undefined || pane === undefined) return;
    try {
      await this.#screens.look([[runtime, pane]]);
    } catch (error) {
      // The round that finds the server gone reports it; a look that fails proves nothing about the agent.
      this.parts.log.debug({ target: this.target.targetId, error: String(error) }, "look failed");
    }
  }

  get #reached(): boolean {
    return !this.#stopped && this.parts.host.link?.up !== false;
  }

  #intervalMs(): number {
    const { topologyActiveMs, topologyIdleMs } = this.parts.settings;
    const quiet = this.parts.now() - this.#lastChange > QUIET_AFTER_MS * 1_000;
    return pollPace(quiet && !this.#anyBusy() ? topologyIdleMs : topologyActiveMs);
  }

  #anyBusy(): boolean {
    for (const runtime of this.#tracker.active().values()) {
      const { state } = runtime.state.status;
      if (state === "running" || state === "waiting_approval" || state === "waiting_input") return true;
    }
    return false;
  }

  async #observe(): Promise<void> {
    try {
      this.parts.host.roundBegins?.();
      const { topology, unsupported, moved } = await this.#reader.read();
      if (!this.#reached) return;
      if (moved) this.#lastChange = this.parts.now();
      this.#unsupported = unsupported;
      const { blind, changed } = await this.#follow(topology);
      if (!this.#reached) return;
      const same = topology === this.#topology && !changed;
      this.#topology = topology;
      const serverless = topology.bootId === undefined ? "no_server" : "";
      const reason =
        unsupported !== undefined ? "tmux_unsupported" : blind === "" ? serverless : "host_unsupported";
      this.#health.succeeded(reason, blind);
      this.#doorbell.follow(topology.bootId);
      if (!same) this.parts.onTopology(this.target.targetId, topology);
      // How a turn ended stands on the screen: it is read before the title that says that nothing runs any more.
      await this.#screens.round(topology, this.#tracker.active());
      await this.#feeds.update(this.#tracker.views(topology));
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * Has the runtimes follow a topology; returns why the host's processes cannot be seen, '' if they can, and whether anything
   * is known now that was not before. That the store refuses is no fault of the target: its runtimes follow with a later
   * topology. An end must not overtake what its agent said before it.
   */
  async #follow(topology: Topology): Promise<{ readonly blind: string; readonly changed: boolean }> {
    if (this.parts.commit.behind) return { blind: "", changed: true };
    try {
      const { launching, changed } = await this.#tracker.observe(topology);
      // While a launcher waits for its worker, the next look comes soon.
      if (launching) this.#rounds.again();
      if (this.parts.host.link !== undefined) this.#tellProcessStates();
      return { blind: "", changed };
    } catch (error) {
      if (error instanceof StoreFault) return { blind: "", changed: true };
      if (error instanceof HostUnsupported) return { blind: error.message, changed: true };
      throw error;
    }
  }

  /** Signals were lost: whatever has been told may have to be told again. */
  #lookAnew(): void {
    this.parts.log.warn({ target: this.target.targetId }, "signals were lost: reading everything anew");
    this.#feeds.reread();
    this.looker.keep(new Set());
    this.kick(0);
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    // The link tells of it.
    if (error instanceof ExecutorError && error.kind === "unreachable") return;
    if (error instanceof ExecutorError && error.kind === "tmux_not_found") {
      this.#topology = NO_SERVER;
      this.parts.onTopology(this.target.targetId, NO_SERVER);
      this.#health.succeeded("tmux_not_found");
      return;
    }
    const reason = error instanceof ExecutorError ? error.kind : "internal";
    this.parts.log.warn({ target: this.target.targetId, reason, error: String(error) }, "observation failed");
    this.#health.failed(reason, { message: error instanceof ExecutorError ? error.message : "" });
    if (reason === "timeout") void this.parts.host.link?.hurry();
  }

  /** What belongs to a connection begins anew with the next one. */
  #disconnected(error: SshError, final: boolean): void {
    if (this.#stopped) return;
    this.#rounds.pause();
    this.#doorbell.close();
    this.#feeds.reread();
    const { kind, message, advice } = error;
    const why = advice === "" ? message : `${message}; ${advice}`;
    this.parts.log.info({ target: this.target.targetId, reason: kind, final, why }, "not connected");
    this.#health.failed(kind, { message: why, final });
  }

  #healthChanged(health: Health): void {
    const { targetId } = this.target;
    // Nothing was read in this daemon life: what an earlier one knew stays in the lists, as unreachable.
    if (health.state === "down" && this.#topology === undefined) {
      this.parts.onTopology(targetId, rememberedTopology(this.#tracker.active().values()));
    }
    this.parts.onHealth(targetId, health);
  }

  async #publish(signals: readonly NativeSignal[]): Promise<void> {
    const events = signals.flatMap((signal) => {
      const runtime = this.parts.journal.runtime(signal.runtimeId);
      return runtime === undefined ? [] : [fromNative(signal, runtime)];
    });
    if (events.length === 0) return;
    this.#lastChange = this.parts.now();
    await this.parts.commit.keep(events, (error) => {
      this.parts.log.error({ target: this.target.targetId, error: String(error) }, "a signal was not stored");
    });
  }

  /** Between rounds: an agent that ended or was stopped shows within half a second, without asking tmux. */
  #lookAtPids(): void {
    if (this.#tellProcessStates()) this.kick(0);
  }

  #tellProcessStates(): boolean {
    const { host, commit, now, log } = this.parts;
    return tellProcessStates(this.#tracker.active().values(), {
      processes: host.processes,
      commit,
      now,
      log,
    });
  }
}

/** Waits for what may take longer; it goes on all the same. */
async function within(work: Promise<void>, ms: number): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([work, delay(ms, undefined, { signal, ref: false }).catch(() => undefined)]);
  over.abort();
}
