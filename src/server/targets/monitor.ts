import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import type { AnyAdapter } from "../adapters/contract.js";
import type { Micros } from "../engine/state.js";
import type { GroupCommit } from "../ingest/group-commit.js";
import type { Journal } from "../ingest/journal.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import { fromDaemon, fromNative } from "../ingest/native-signals.js";
import type { Logger } from "../log.js";
import { StoreFault } from "../store/fault.js";
import type { RuntimeStore } from "../store/runtime-store.js";
import type { TargetRecord } from "../store/target-store.js";
import { captureScreens } from "../tmux/capture.js";
import { NO_SERVER, type PaneRow, type Topology } from "../tmux/topology.js";
import { AdapterFeeds } from "./adapter-feeds.js";
import { DoorbellKeeper } from "./doorbell-keeper.js";
import { type Executor, ExecutorError } from "./executor.js";
import { failed, type Health, type HealthSettings, INITIAL_HEALTH, succeeded } from "./health.js";
import type { LocalAgentFiles, ProcessTable } from "./local-host.js";
import { RuntimeTracker, type TrackerSettings } from "./runtime-tracker.js";
import { type LookSettings, ScreenLooker } from "./screen-looker.js";
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
  readonly executor: Executor;
  readonly processes: ProcessTable;
  readonly files: LocalAgentFiles;
  readonly adapters: readonly AnyAdapter[];
  readonly journal: Journal;
  readonly commit: GroupCommit;
  readonly runtimes: RuntimeStore;
  readonly now: () => Micros;
  readonly log: Logger;
  readonly settings: MonitorSettings;
  /** A topology was read and the runtimes follow it. */
  readonly onTopology: (target: string, topology: Topology) => void;
  readonly onHealth: (target: string, health: Health) => void;
}

/** What a degraded channel or doorbell looks like in health. */
export interface Shortcoming {
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly since: Micros;
}

/** After this long without any change the poll slows down. */
const QUIET_AFTER_MS = 10_000;

/**
 * Observes one target: hears its doorbell, reads its topology, follows its agents' processes, screens and native
 * channels, and keeps its health. One round at a time; whatever rings during a round leads to one more.
 */
export class TargetMonitor {
  #topology: Topology | undefined;
  #health: Health = INITIAL_HEALTH;
  #unsupported: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pidTimer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  /** By the monotonic clock, in milliseconds. */
  #roundBegan = 0;
  #again = false;
  #stopped = false;
  #lastChange: Micros = 0;
  readonly #shortcomings = new Map<string, Shortcoming>();
  readonly #reader: TopologyReader;
  readonly #tracker: RuntimeTracker;
  readonly #doorbell: DoorbellKeeper;
  readonly #feeds: AdapterFeeds;
  readonly #endOfGaps: () => void;
  readonly looker: ScreenLooker;

  constructor(
    readonly target: TargetRecord,
    private readonly parts: MonitorParts,
  ) {
    const { journal, runtimes, processes, adapters, now, settings, files } = parts;
    this.#reader = new TopologyReader(parts.executor, now, settings);
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
    this.#doorbell = new DoorbellKeeper(parts.executor, settings, {
      onRing: () => this.kick(settings.doorbellDebounceMs),
      onLost: (message) => this.#note("doorbell_lost", "doorbell", message),
    });
    this.#feeds = new AdapterFeeds(adapters, files, now, {
      emit: (signals) => this.#publish(signals.map((signal) => [signal.runtimeId, signal] as const)),
      look: (runtimeId) => this.look(runtimeId),
      degraded: (agentType, channel, message) =>
        this.#note("channel_degraded", `${target.targetId}/${agentType}/${channel}`, message),
    });
    this.#endOfGaps = parts.commit.onGap(() => this.#lookAnew());
  }

  get health(): Health {
    return this.#health;
  }

  /** As last read, complete; undefined before the first. */
  get topology(): Topology | undefined {
    return this.#topology;
  }

  /** Path of the tmux server's socket, as the server names it; '' while unknown. */
  get socketPath(): string {
    return this.#reader.socketPath;
  }

  get shortcomings(): readonly Shortcoming[] {
    return [...this.#shortcomings.values()];
  }

  /** Why this target does not answer, in the contract's words. */
  get fault(): { readonly code: ErrorCode; readonly message: string } | undefined {
    if (this.#unsupported !== undefined) {
      return { code: ErrorCode.E_TMUX_UNSUPPORTED, message: `tmux ${this.#unsupported} is older than 3.3` };
    }
    if (this.#health.state === "down" || this.#topology === undefined) {
      return { code: ErrorCode.E_TARGET_UNREACHABLE, message: this.#health.reason || "not answered yet" };
    }
    return undefined;
  }

  start(): void {
    this.#pidTimer = setInterval(() => this.#lookAtPids(), this.parts.settings.agentPidLookMs);
    this.kick(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pidTimer);
    this.#doorbell.close();
    this.#feeds.close();
    this.#endOfGaps();
    await this.parts.executor.close();
    await this.#round;
  }

  /** Has a round begin within `delayMs`. */
  kick(delayMs: number): void {
    if (this.#stopped) return;
    if (this.#round !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), delayMs);
  }

  /** Runs a round now and resolves when one that began after this call has ended. */
  async refresh(): Promise<void> {
    await this.#round;
    clearTimeout(this.#timer);
    await this.#begin();
  }

  /** Looks at one runtime's screen now and publishes what it says. */
  async look(runtimeId: string): Promise<void> {
    const runtime = this.parts.journal.runtime(runtimeId);
    const pane = this.#topology?.panes.find((row) => row.paneId === runtime?.record.paneId);
    if (runtime === undefined || pane === undefined) return;
    try {
      await this.#capture([[runtime, pane]]);
    } catch (error) {
      // The round that finds the server gone reports it; a look that fails proves nothing about the agent.
      this.parts.log.debug({ target: this.target.targetId, error: String(error) }, "look failed");
    }
  }

  async #begin(): Promise<void> {
    if (this.#stopped) return;
    if (this.#round !== undefined) return this.#round;
    this.#again = false;
    this.#roundBegan = performance.now();
    this.#round = this.#observe().finally(() => {
      this.#round = undefined;
      this.#schedule();
    });
    return this.#round;
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { doorbellDebounceMs, topologyActiveMs, topologyIdleMs } = this.parts.settings;
    const quiet = this.parts.now() - this.#lastChange > QUIET_AFTER_MS * 1_000;
    const interval = quiet && !this.#anyBusy() ? topologyIdleMs : topologyActiveMs;
    // From one beginning to the next, whatever a round takes.
    const rest = Math.max(doorbellDebounceMs, interval - (performance.now() - this.#roundBegan));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), this.#again ? doorbellDebounceMs : rest);
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
      const { topology, unsupported, moved } = await this.#reader.read();
      if (this.#stopped) return;
      if (moved) this.#lastChange = this.parts.now();
      this.#unsupported = unsupported;
      const launching = await this.#follow(topology);
      if (this.#stopped) return;
      this.#topology = topology;
      if (launching) this.#again = true;
      const serverless = topology.bootId === undefined ? "no_server" : "";
      const reason = unsupported === undefined ? serverless : "tmux_unsupported";
      this.#setHealth(succeeded(this.#health, reason, this.parts.now(), this.parts.settings));
      this.#doorbell.follow(topology.bootId);
      this.parts.onTopology(this.target.targetId, topology);
      // How a turn ended stands on the screen: it is read before the title that says that nothing runs any more.
      await this.#lookAtScreens(topology);
      await this.#feeds.update(this.#views(topology));
    } catch (error) {
      this.#failed(error);
    }
  }

  /**
   * Has the runtimes follow a topology; tells whether a launcher waits for its worker. That the store refuses is no fault
   * of the target: its runtimes follow with a later topology. An end must not overtake what its agent said before it.
   */
  async #follow(topology: Topology): Promise<boolean> {
    if (this.parts.commit.behind) return false;
    try {
      return (await this.#tracker.observe(topology)).launching;
    } catch (error) {
      if (error instanceof StoreFault) return false;
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
    const { log, now, settings } = this.parts;
    if (error instanceof ExecutorError && error.kind === "tmux_not_found") {
      this.#topology = NO_SERVER;
      this.parts.onTopology(this.target.targetId, NO_SERVER);
      this.#setHealth(succeeded(this.#health, "tmux_not_found", now(), settings));
      return;
    }
    const reason = error instanceof ExecutorError ? error.kind : "internal";
    log.warn({ target: this.target.targetId, reason, error: String(error) }, "observation failed");
    this.#setHealth(failed(this.#health, reason, now(), settings));
  }

  #setHealth(health: Health): void {
    const changed = health.state !== this.#health.state || health.reason !== this.#health.reason;
    this.#health = health;
    if (changed) this.parts.onHealth(this.target.targetId, health);
  }

  #views(topology: Topology) {
    const panes = new Map(topology.panes.map((pane) => [pane.paneId, pane]));
    return [...this.#tracker.active().values()].map(({ record }) => ({
      agentType: record.agentType,
      view: {
        runtimeId: record.runtimeId,
        paneId: record.paneId,
        agentPid: record.agentPid,
        startRaw: record.agentStartRaw,
        argv: this.#tracker.argv(record.runtimeId),
        cwd: record.cwd,
        title: panes.get(record.paneId)?.title ?? "",
        agentSessionId: record.agentSessionId,
      },
    }));
  }

  async #lookAtScreens(topology: Topology): Promise<void> {
    const active = this.#tracker.active();
    this.looker.keep(new Set([...active.values()].map((runtime) => runtime.record.runtimeId)));
    const due: [LiveRuntime, PaneRow][] = [];
    for (const pane of topology.panes) {
      const runtime = active.get(pane.paneId);
      if (runtime !== undefined && this.looker.due(runtime, pane)) due.push([runtime, pane]);
    }
    if (due.length > 0) await this.#capture(due);
  }

  async #capture(looks: readonly (readonly [LiveRuntime, PaneRow])[]): Promise<void> {
    const screens = await captureScreens(
      this.parts.executor,
      looks.map(([, pane]) => pane.paneId),
    );
    const signals = looks.flatMap(([runtime, pane]) => {
      const screen = screens.get(pane.paneId);
      const adapter = this.parts.adapters.find((known) => known.agentType === runtime.record.agentType);
      if (screen === undefined || adapter === undefined) return [];
      const signal = this.looker.take(runtime, pane, adapter, screen);
      return signal === undefined ? [] : [[runtime.record.runtimeId, signal] as const];
    });
    await this.#publish(signals);
  }

  async #publish(signals: readonly (readonly [string, Parameters<typeof fromNative>[0]])[]): Promise<void> {
    const events = signals.flatMap(([runtimeId, signal]) => {
      const runtime = this.parts.journal.runtime(runtimeId);
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
    const { processes, commit, now, log } = this.parts;
    const events = [];
    for (const runtime of this.#tracker.active().values()) {
      const { agentPid, agentStartRaw } = runtime.record;
      const state = processes.state(agentPid, agentStartRaw);
      if (state === undefined || state === "Z") {
        this.kick(0);
        continue;
      }
      const stopped = state === "T";
      if (stopped === (runtime.fold.suspended !== undefined)) continue;
      events.push(
        fromDaemon(runtime, stopped ? "suspended" : "resumed", stopped ? "stopped" : "continued", now()),
      );
    }
    // Not kept when refused: it is seen again while it holds.
    if (events.length === 0 || commit.behind) return;
    commit.submit(events).catch((error: unknown) => {
      if (error instanceof StoreFault) return;
      log.error({ target: this.target.targetId, error: String(error) }, "process states were not stored");
    });
  }

  #note(code: string, subject: string, message: string | undefined): void {
    const key = `${code} ${subject}`;
    if (message === undefined) this.#shortcomings.delete(key);
    else if (this.#shortcomings.get(key)?.message !== message) {
      this.#shortcomings.set(key, { code, subject, message, since: this.parts.now() });
    }
  }
}
