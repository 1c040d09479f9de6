/**
 * Who occupies a pane: decides when a runtime opens and ends, from what was observed. Pure; the tracker of each
 * target carries the decisions out.
 */

/** An agent process as the process table shows it now. */
export interface SeenAgent {
  readonly agentType: string;
  /** The process that does the work, or the launcher while there is no other. */
  readonly pid: number;
  readonly startRaw: string;
  /** The launcher above it; a worker that appears under the launcher of a runtime is not another agent. */
  readonly launcher?: { readonly pid: number; readonly startRaw: string } | undefined;
}

/** The runtime that the store holds as active in the pane. */
export interface Occupant extends SeenAgent {
  readonly runtimeId: string;
  readonly bootId: string;
  readonly hostBootId: string;
  readonly panePid: number;
}

/** One pane, observed. */
export interface PaneSighting {
  readonly bootId: string;
  readonly hostBootId: string;
  readonly panePid: number;
  /** The outermost agent of the terminal's foreground group. */
  readonly foreground?: SeenAgent | undefined;
  /** Whether the occupant's process is still there: same host boot, pid and raw start. */
  readonly occupantAlive: boolean;
}

export type Ended = "exited" | "pane_gone" | "respawned" | "displaced" | "server_gone" | "target_removed";

export type Decision =
  | { readonly kind: "keep" }
  | { readonly kind: "end"; readonly reason: Ended }
  | { readonly kind: "open"; readonly agent: SeenAgent; readonly ended?: Ended | undefined }
  | { readonly kind: "nothing" };

function same(seen: SeenAgent, occupant: SeenAgent): boolean {
  const is = (process: { pid: number; startRaw: string }): boolean =>
    process.pid === occupant.pid && process.startRaw === occupant.startRaw;
  return is(seen) || (seen.launcher !== undefined && is(seen.launcher));
}

/**
 * What to do about one pane. A pane that is gone is `sighting === undefined`. Nothing but host boot id, pid and raw
 * start value is compared to tell whether a process is the same (docs/spec.md section 3).
 */
export function decideOccupancy(
  occupant: Occupant | undefined,
  sighting: PaneSighting | undefined,
): Decision {
  if (sighting === undefined) {
    return occupant === undefined ? { kind: "nothing" } : { kind: "end", reason: "pane_gone" };
  }
  const { foreground } = sighting;
  if (occupant === undefined) {
    return foreground === undefined ? { kind: "nothing" } : { kind: "open", agent: foreground };
  }
  const ended = endOf(occupant, sighting);
  if (ended === undefined) return { kind: "keep" };
  return foreground === undefined
    ? { kind: "end", reason: ended }
    : { kind: "open", agent: foreground, ended };
}

function endOf(occupant: Occupant, sighting: PaneSighting): Ended | undefined {
  if (occupant.bootId !== sighting.bootId) return "server_gone";
  if (occupant.panePid !== sighting.panePid) return "respawned";
  const alive = sighting.occupantAlive && occupant.hostBootId === sighting.hostBootId;
  if (!alive) return "exited";
  const { foreground } = sighting;
  if (foreground === undefined || same(foreground, occupant)) return undefined;
  return "displaced";
}
