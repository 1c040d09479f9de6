import { type Binding, type BindingCandidate, bind } from "../engine/bind.js";
import type { Micros } from "../engine/state.js";
import type { LiveRuntime } from "./live-runtime.js";
import type { PreparedEvent } from "./prepared-event.js";

/** Finds the one active runtime that an event belongs to. */
export class Binder {
  /** By agent type; made anew after any runtime's identity, place or processes changed. */
  #candidates = new Map<string, readonly BindingCandidate[]>();

  constructor(
    private readonly runtimes: () => Iterable<LiveRuntime>,
    /**
     * Targets of this host whose tmux server has that socket, as far as they have answered; all of them for ''. Asked
     * at every attempt to bind: a spool is read before the targets are.
     */
    private readonly targetsOf: (tmuxSocket: string) => readonly string[],
    /** Runtimes of these targets that an agent's session id is known by, ended ones too. */
    private readonly ofSession: (agentSessionId: string, targetIds: readonly string[]) => readonly string[],
    private readonly bindWindow: Micros,
  ) {}

  bind(event: PreparedEvent): Binding {
    const { hints, tmuxSocket = "" } = event;
    const targetIds = hints.targetIds ?? this.targetsOf(tmuxSocket);
    // What another target claims to be whose is no matter here.
    const owners = (session: string): readonly string[] => this.ofSession(session, targetIds);
    return bind({ ...hints, targetIds }, this.#of(event.agentType), this.bindWindow, owners);
  }

  /** What it knows of the runtimes is no longer so. */
  forget(): void {
    this.#candidates.clear();
  }

  #of(agentType: string): readonly BindingCandidate[] {
    const known = this.#candidates.get(agentType);
    if (known !== undefined) return known;
    const candidates = [...this.runtimes()]
      .filter(({ record }) => record.agentType === agentType)
      .map(candidate);
    this.#candidates.set(agentType, candidates);
    return candidates;
  }
}

function candidate({ record, pids }: LiveRuntime): BindingCandidate {
  return {
    runtimeId: record.runtimeId,
    targetId: record.targetId,
    paneId: record.paneId,
    serverPid: Number(record.bootId.split(":")[0]),
    agentType: record.agentType,
    agentSessionId: record.agentSessionId || undefined,
    cwd: record.cwd || undefined,
    pids: pids.length === 0 ? [record.agentPid] : pids,
    startedAt: Number(record.startedAtNs / 1_000n),
  };
}
