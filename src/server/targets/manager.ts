import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import type { AnyAdapter } from "../adapters/contract.js";
import { ContractError } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import type { Journal } from "../ingest/journal.js";
import type { Store } from "../store/store.js";
import type { TargetRecord } from "../store/target-store.js";
import type { TargetReach } from "../watch/reach.js";
import { type MonitorParts, TargetMonitor } from "./monitor.js";
import type { ConnectOptions } from "./ssh/ssh-link.js";
import { checkTarget } from "./target-check.js";
import type { HostOf } from "./target-host.js";

/** The target that exists from the first start. */
export const HOST_TARGET = "host";

export type MonitorShare = Omit<MonitorParts, "host">;

/** All targets and their monitors. */
export class TargetManager {
  readonly #monitors = new Map<string, TargetMonitor>();

  constructor(
    private readonly store: Store,
    private readonly journal: Journal,
    private readonly share: MonitorShare,
    private readonly hostOf: HostOf,
    private readonly now: () => Micros,
    /** A target's rows are to be taken out of every list. */
    private readonly onRemoved: (target: string) => void,
  ) {}

  get adapters(): readonly AnyAdapter[] {
    return this.share.adapters;
  }

  /** Begins to observe all stored targets; makes `host` on the first start. */
  start(): void {
    const host: TargetRecord = {
      targetId: HOST_TARGET,
      kind: "local",
      sshTarget: "",
      tmuxSocket: "",
      createdAt: this.now(),
    };
    this.store.transaction(() => this.store.targets.insert(host));
    for (const target of this.store.targets.list()) this.#monitor(target);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#monitors.values()].map((monitor) => monitor.stop()));
  }

  find(name: string): TargetMonitor | undefined {
    return this.#monitors.get(name);
  }

  /** By name. */
  list(): TargetMonitor[] {
    return [...this.#monitors.values()].sort((a, b) => (a.target.targetId < b.target.targetId ? -1 : 1));
  }

  /** Whether a complete topology of the target was read in this daemon life. */
  seen(name: string): boolean {
    const monitor = this.#monitors.get(name);
    return monitor === undefined || monitor.topology !== undefined;
  }

  reach(): TargetReach[] {
    return this.list().map((monitor) => {
      const { fault, health } = monitor;
      const base = {
        name: monitor.target.targetId,
        responded: fault === undefined,
        lastOkAt: health.lastOkAt,
      };
      return fault === undefined ? base : { ...base, error: fault };
    });
  }

  /** Targets of this host that an event with that tmux socket may belong to; all of them for ''. */
  ofSocket(socketPath: string): string[] {
    const local = this.list().filter((monitor) => monitor.target.kind === "local");
    const fitting = socketPath === "" ? local : local.filter((monitor) => monitor.socketPath === socketPath);
    return fitting.map((monitor) => monitor.target.targetId);
  }

  /**
   * Stores a target and connects to it; resolves after the first attempt, or when that takes too long. Throws
   * ContractError.
   */
  async add(target: Omit<TargetRecord, "createdAt">, options: ConnectOptions = {}): Promise<TargetMonitor> {
    checkTarget(target, options);
    const record = { ...target, createdAt: this.now() };
    if (!this.store.transaction(() => this.store.targets.insert(record))) {
      throw new ContractError(ErrorCode.E_TARGET_EXISTS, `a target named ${target.targetId} exists already`, {
        target: target.targetId,
      });
    }
    const monitor = this.#monitor(record, options);
    await monitor.connect();
    const twin = this.list().find((other) => other !== monitor && watchesSame(other, monitor));
    if (twin === undefined) return monitor;
    // Two targets of one server would show every agent twice, and no hook could tell which one it belongs to.
    await this.remove(record.targetId);
    throw new ContractError(
      ErrorCode.E_TARGET_EXISTS,
      `target ${twin.target.targetId} already watches the tmux server at ${monitor.socketPath}`,
      { target: twin.target.targetId },
    );
  }

  /** Connects to a target and observes it, now. Throws ContractError E_TARGET_NOT_FOUND. */
  async connect(name: string): Promise<TargetMonitor> {
    const monitor = this.#existing(name);
    await monitor.connect();
    return monitor;
  }

  /** Ends the target's runtimes and forgets it; returns how many ended. Throws ContractError E_TARGET_NOT_FOUND. */
  async remove(name: string): Promise<number> {
    const monitor = this.#existing(name);
    this.#monitors.delete(name);
    await monitor.retire();
    await monitor.stop();
    let ended: number;
    try {
      ended = this.#forget(name);
    } catch (error) {
      // The store refused: the target is there still, and goes on being observed.
      this.#monitor(monitor.target);
      throw error;
    }
    this.onRemoved(name);
    return ended;
  }

  /** Observes every target; resolves when all have answered or failed. */
  async observeAll(): Promise<void> {
    await Promise.all(this.list().map((monitor) => monitor.refresh()));
  }

  #forget(name: string): number {
    return this.journal.transaction(() => {
      const at = this.now();
      const own = [...this.journal.runtimes()].filter(({ record }) => record.targetId === name);
      for (const { record } of own) this.journal.end(record.runtimeId, { at, reason: "target_removed" });
      this.store.targets.remove(name, at);
      return own.length;
    });
  }

  #existing(name: string): TargetMonitor {
    const monitor = this.#monitors.get(name);
    if (monitor === undefined) {
      throw new ContractError(ErrorCode.E_TARGET_NOT_FOUND, `no target is named ${name.slice(0, 64)}`, {
        target: name.slice(0, 64),
      });
    }
    return monitor;
  }

  #monitor(target: TargetRecord, options: ConnectOptions = {}): TargetMonitor {
    const monitor = new TargetMonitor(target, { ...this.share, host: this.hostOf(target) });
    this.#monitors.set(target.targetId, monitor);
    monitor.start(options);
    return monitor;
  }
}

function watchesSame(a: TargetMonitor, b: TargetMonitor): boolean {
  const { target, socketPath } = a;
  return (
    target.kind === b.target.kind &&
    target.sshTarget === b.target.sshTarget &&
    socketPath !== "" &&
    socketPath === b.socketPath
  );
}
