import type { AnyAdapter, PaneProcesses } from "../adapters/contract.js";
import { runtimeId } from "../engine/identity.js";
import { type Decision, decideOccupancy, type Ended } from "../engine/occupancy.js";
import type { Micros } from "../engine/state.js";
import type { Journal } from "../ingest/journal.js";
import { hasMoved, hasPids, type LiveRuntime } from "../ingest/live-runtime.js";
import { redactText } from "../ingest/redact.js";
import type { RuntimeStore } from "../store/runtime-store.js";
import type { PaneRow, Topology } from "../tmux/topology.js";
import type { SeenView } from "./adapter-feeds.js";
import { type FoundAgent, findAgent } from "./agent-finder.js";
import type { ProcessTable } from "./local-host.js";

export interface TrackerSettings {
  readonly launcherGraceMs: number;
}

/** What one observation of a target's panes led to. */
export interface Tracked {
  /** A launcher waits for its worker: look again soon. */
  readonly launching: boolean;
  /** Something was written. */
  readonly changed: boolean;
}

type Deed = () => void;

/** Opens and ends the runtimes of one target as its panes and processes show. */
export class RuntimeTracker {
  /** argv of each active runtime's worker, for the adapters; memory only. */
  readonly #argv = new Map<string, readonly string[]>();

  constructor(
    private readonly targetId: string,
    private readonly journal: Journal,
    private readonly runtimes: RuntimeStore,
    private readonly processes: ProcessTable,
    private readonly adapters: readonly AnyAdapter[],
    private readonly now: () => Micros,
    private readonly settings: TrackerSettings,
  ) {}

  /** This target's active runtimes as their adapters see them. */
  views(topology: Topology): SeenView[] {
    const panes = new Map(topology.panes.map((pane) => [pane.paneId, pane]));
    return [...this.active().values()].map(({ record }) => ({
      agentType: record.agentType,
      view: {
        runtimeId: record.runtimeId,
        paneId: record.paneId,
        agentPid: record.agentPid,
        startRaw: record.agentStartRaw,
        argv: this.#argv.get(record.runtimeId) ?? [],
        cwd: record.cwd,
        title: panes.get(record.paneId)?.title ?? "",
        agentSessionId: record.agentSessionId,
      },
    }));
  }

  /** This target's active runtimes, by pane id. */
  active(): Map<string, LiveRuntime> {
    const own = new Map<string, LiveRuntime>();
    for (const runtime of this.journal.runtimes()) {
      if (runtime.record.targetId === this.targetId) own.set(runtime.record.paneId, runtime);
    }
    return own;
  }

  /** Compares a complete topology with the active runtimes and carries out what follows, in one commit. */
  async observe(topology: Topology): Promise<Tracked> {
    const living = topology.panes.filter((pane) => !pane.dead);
    const tables = await this.processes.paneProcesses(living);
    const active = this.active();
    let launching = false;
    const deeds = topology.panes.flatMap((pane) => {
      const table = pane.dead ? undefined : tables.get(pane.panePid);
      const seen = table === undefined ? undefined : findAgent(table, this.adapters);
      const early = seen?.launching === true && this.#withinGrace(seen);
      launching ||= early;
      // A launcher without its worker opens nothing yet, whoever was in the pane before it.
      const found = early ? undefined : seen;
      return this.#deeds(pane, topology.bootId ?? "", active.get(pane.paneId), found, table);
    });
    const present = new Set(topology.panes.map((pane) => pane.paneId));
    for (const [paneId, runtime] of active) {
      if (present.has(paneId)) continue;
      const reason: Ended = topology.bootId === runtime.record.bootId ? "pane_gone" : "server_gone";
      deeds.push(() => this.#end(runtime, reason, undefined));
    }
    // Most looks find everything as it was.
    if (deeds.length > 0) {
      this.journal.transaction(() => {
        for (const deed of deeds) deed();
      });
    }
    for (const id of this.#argv.keys()) if (this.journal.runtime(id) === undefined) this.#argv.delete(id);
    return { launching, changed: deeds.length > 0 };
  }

  #withinGrace(found: FoundAgent): boolean {
    const age = this.now() - Number(this.processes.startedAtNs(found.process) / 1_000n);
    return age < this.settings.launcherGraceMs * 1_000;
  }

  /** What is to be written because of one pane, in order. */
  #deeds(
    pane: PaneRow,
    bootId: string,
    runtime: LiveRuntime | undefined,
    found: FoundAgent | undefined,
    table: PaneProcesses | undefined,
  ): Deed[] {
    const decision = this.#decide(pane, bootId, runtime, found);
    if (decision.kind === "end" && runtime !== undefined) {
      return [() => this.#end(runtime, decision.reason, pane)];
    }
    if (decision.kind === "open" && found !== undefined) {
      const end = runtime === undefined ? [] : [() => this.#end(runtime, decision.ended ?? "exited", pane)];
      return [...end, () => this.#open(pane, bootId, found)];
    }
    return decision.kind === "keep" && runtime !== undefined ? this.#kept(pane, runtime, found, table) : [];
  }

  /** The runtime goes on; where it is may have changed. */
  #kept(
    pane: PaneRow,
    runtime: LiveRuntime,
    found: FoundAgent | undefined,
    table: PaneProcesses | undefined,
  ): Deed[] {
    const { record } = runtime;
    if (found !== undefined) this.#argv.set(record.runtimeId, found.process.argv);
    const own = table?.processes.filter(
      (process) => process.pid === record.agentPid || process.pid === found?.launcher?.pid,
    );
    const facts = {
      pids: own?.map((process) => process.pid) ?? [record.agentPid],
      session: redactText(pane.sessionName),
      windowId: pane.windowId,
      cwd: pane.currentPath === undefined ? record.cwd : redactText(pane.currentPath),
    };
    if (!hasMoved(runtime, facts) && hasPids(runtime, facts)) return [];
    return [() => this.journal.observe(record.runtimeId, facts)];
  }

  #decide(
    pane: PaneRow,
    bootId: string,
    runtime: LiveRuntime | undefined,
    found: FoundAgent | undefined,
  ): Decision {
    const record = runtime?.record;
    const foreground =
      found === undefined
        ? undefined
        : {
            agentType: found.adapter.agentType,
            pid: found.process.pid,
            startRaw: found.process.startRaw,
            launcher: found.launcher,
          };
    const occupant =
      record === undefined
        ? undefined
        : {
            runtimeId: record.runtimeId,
            agentType: record.agentType,
            pid: record.agentPid,
            startRaw: record.agentStartRaw,
            bootId: record.bootId,
            hostBootId: record.hostBootId,
            panePid: record.panePid,
          };
    const occupantAlive =
      record !== undefined && !pane.dead && this.processes.alive(record.agentPid, record.agentStartRaw);
    return decideOccupancy(occupant, {
      bootId,
      hostBootId: this.processes.boot(),
      panePid: pane.panePid,
      foreground,
      occupantAlive,
    });
  }

  #open(pane: PaneRow, bootId: string, found: FoundAgent): void {
    const now = this.now();
    const place = { targetId: this.targetId, bootId, paneId: pane.paneId };
    const paneEpoch = this.runtimes.nextEpoch({ ...place, panePid: pane.panePid }, now);
    const startedAtNs = this.processes.startedAtNs(found.process);
    const agentType = found.adapter.agentType;
    const id = runtimeId({ ...place, paneEpoch, agentType, startedAtNs });
    const pids = [found.process.pid, ...(found.launcher === undefined ? [] : [found.launcher.pid])];
    this.#argv.set(id, found.process.argv);
    this.journal.open(
      {
        ...place,
        runtimeId: id,
        paneEpoch,
        agentType,
        hostBootId: this.processes.boot(),
        agentPid: found.process.pid,
        agentStartRaw: found.process.startRaw,
        startedAtNs,
        agentSessionId: "",
        panePid: pane.panePid,
        session: redactText(pane.sessionName),
        windowId: pane.windowId,
        cwd: redactText(pane.currentPath ?? ""),
        createdAt: now,
      },
      pids,
    );
  }

  #end(runtime: LiveRuntime, reason: Ended, pane: PaneRow | undefined): void {
    // tmux knows an exit status only of the pane's own first process.
    const own = pane?.dead === true && pane.panePid === runtime.record.agentPid;
    this.journal.end(runtime.record.runtimeId, {
      at: this.now(),
      reason,
      exitStatus: own ? pane.deadStatus : undefined,
    });
  }
}
