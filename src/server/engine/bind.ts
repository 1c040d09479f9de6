import type { Micros } from "./state.js";

/** What an event says about where it belongs. Absent means unsaid. */
export interface BindingHints {
  readonly agentType: string;
  readonly runtimeId?: string | undefined;
  /** Targets that the event may belong to: what its listener and its tmux socket leave. */
  readonly targetIds: readonly string[];
  /** Absent when unsaid, or when the agent is known to report another pane's id. */
  readonly pane?: { readonly paneId: string; readonly serverPid?: number | undefined } | undefined;
  readonly agentSessionId?: string | undefined;
  readonly cwd?: string | undefined;
  readonly pid?: number | undefined;
  readonly parentPids: readonly number[];
  readonly startHint?: Micros | undefined;
  /** When the event happened, by its source's clock. */
  readonly eventTime?: Micros | undefined;
}

/** What an active runtime offers to bind to. */
export interface BindingCandidate {
  readonly runtimeId: string;
  readonly targetId: string;
  readonly paneId: string;
  readonly serverPid: number;
  readonly agentType: string;
  readonly agentSessionId?: string | undefined;
  readonly cwd?: string | undefined;
  /**
   * The agent's own processes, launcher and worker. Not the shell above them: that is an ancestor of whatever
   * ran in the pane before, too.
   */
  readonly pids: readonly number[];
  readonly startedAt: Micros;
}

export type Binding =
  | { readonly kind: "bound"; readonly runtimeId: string }
  | { readonly kind: "none" }
  | { readonly kind: "ambiguous" };

/**
 * Binds an event if exactly one active runtime fits all its hints (docs/spec.md 4.2). `bindWindow` bounds the
 * distance of start hint and process start. `owners` tells which runtimes of before, ended ones, a session id is known
 * by; of the active ones the candidates tell.
 */
export function bind(
  hints: BindingHints,
  candidates: readonly BindingCandidate[],
  bindWindow: Micros,
  owners: (agentSessionId: string) => readonly string[] = () => [],
): Binding {
  const fitting = candidates.filter(
    (candidate) => fits(hints, candidate, bindWindow) && !isAnothers(hints, candidate, candidates, owners),
  );
  if (fitting.length > 1) {
    // A working directory alone never tells two agents apart; an ancestor does, and a session id that one is known by.
    const [proven, ...others] = fitting.filter((candidate) => isProven(hints, candidate));
    if (proven !== undefined && others.length === 0) return { kind: "bound", runtimeId: proven.runtimeId };
    const known = fitting.filter(
      (candidate) => hints.agentSessionId !== undefined && candidate.agentSessionId === hints.agentSessionId,
    );
    const [only] = known;
    if (known.length === 1 && only !== undefined) return { kind: "bound", runtimeId: only.runtimeId };
    return { kind: "ambiguous" };
  }
  const [only] = fitting;
  return only === undefined ? { kind: "none" } : { kind: "bound", runtimeId: only.runtimeId };
}

/** Whether the event comes from one of the agent's own processes. */
function isProven(hints: BindingHints, candidate: BindingCandidate): boolean {
  const named = [...(hints.pid === undefined ? [] : [hints.pid]), ...hints.parentPids];
  return named.some((pid) => candidate.pids.includes(pid));
}

function fits(hints: BindingHints, candidate: BindingCandidate, bindWindow: Micros): boolean {
  if (hints.agentType !== candidate.agentType || !hints.targetIds.includes(candidate.targetId)) return false;
  if (hints.runtimeId !== undefined && hints.runtimeId !== candidate.runtimeId) return false;
  if (hints.pane !== undefined && !fitsPane(hints.pane, candidate)) return false;
  if (hints.startHint !== undefined && Math.abs(candidate.startedAt - hints.startHint) > bindWindow)
    return false;
  const proven = isProven(hints, candidate);
  if (hints.pid !== undefined && !proven) return false;
  if (proven || hints.runtimeId !== undefined) return true;
  // An event that names its ancestors, none of which is this agent, comes from another process.
  if (hints.pane !== undefined && hints.parentPids.length > 0) return false;
  if (hints.agentSessionId !== undefined && candidate.agentSessionId !== undefined) {
    return hints.agentSessionId === candidate.agentSessionId;
  }
  const age = hints.eventTime === undefined ? undefined : hints.eventTime - candidate.startedAt;
  if (age !== undefined && age < -bindWindow) return false;
  if (hints.pane === undefined) return hints.cwd !== undefined && hints.cwd === candidate.cwd;
  // Only an orphan cannot name an ancestor: soon after an agent's start it is one of the agent before.
  return hints.startHint !== undefined || age === undefined || age >= bindWindow;
}

/** Whether nothing but pane or directory speaks for this runtime, and the session is known to be another's. */
function isAnothers(
  hints: BindingHints,
  candidate: BindingCandidate,
  candidates: readonly BindingCandidate[],
  owners: (agentSessionId: string) => readonly string[],
): boolean {
  const { agentSessionId } = hints;
  if (agentSessionId === undefined || candidate.agentSessionId === agentSessionId) return false;
  if (hints.runtimeId !== undefined || isProven(hints, candidate)) return false;
  const active = candidates.some(
    (other) =>
      other.agentType === candidate.agentType &&
      other.agentSessionId === agentSessionId &&
      hints.targetIds.includes(other.targetId),
  );
  return active || owners(agentSessionId).some((runtimeId) => runtimeId !== candidate.runtimeId);
}

function fitsPane(pane: NonNullable<BindingHints["pane"]>, candidate: BindingCandidate): boolean {
  if (pane.paneId !== candidate.paneId) return false;
  return pane.serverPid === undefined || pane.serverPid === candidate.serverPid;
}
