/** The states of docs/spec.md section 5, as the database and JSON spell them. */
export type AgentState =
  | "running"
  | "waiting_approval"
  | "waiting_input"
  | "completed"
  | "idle"
  | "error"
  | "unknown";

export type Confidence = "high" | "medium" | "low";

export type Source = "hook" | "notify" | "wrapper" | "native" | "poller" | "reconciler" | "action";

/** Microseconds since the epoch. A safe integer until the year 2255. */
export type Micros = number;

/** Highest first: `error > waiting_approval > waiting_input > running > completed > idle > unknown`. */
export const PRECEDENCE: readonly AgentState[] = [
  "error",
  "waiting_approval",
  "waiting_input",
  "running",
  "completed",
  "idle",
  "unknown",
];

const RANK = new Map(PRECEDENCE.map((state, index) => [state, index]));
const CONFIDENCE_RANK: Record<Confidence, number> = { high: 2, medium: 1, low: 0 };

/** Negative if `a` takes precedence over `b`. */
export function comparePrecedence(a: AgentState, b: AgentState): number {
  return (RANK.get(a) ?? PRECEDENCE.length) - (RANK.get(b) ?? PRECEDENCE.length);
}

/** Negative if `a` is less to be trusted than `b`. */
export function compareConfidence(a: Confidence, b: Confidence): number {
  return CONFIDENCE_RANK[a] - CONFIDENCE_RANK[b];
}

export function needsAction(state: AgentState): boolean {
  return state === "waiting_approval" || state === "waiting_input" || state === "error";
}

/** What one channel (or an adapter's join of its own channels) stands for. */
export interface Candidate {
  readonly source: Source;
  readonly channel: string;
  readonly state: AgentState;
  readonly reason: string;
  readonly confidence: Confidence;
  /** Effective time of the event it rests on. */
  readonly at: Micros;
  /** The event it rests on. */
  readonly eventId: string;
  /**
   * Names the open dialog within its runtime: the adapter's episode counter and, once the dialog's text has
   * been read, a digest of it.
   */
  readonly dialog?: Dialog | undefined;
}

export interface Dialog {
  readonly episode: number;
  /** hex sha256 of the normalised text; absent until it has been read. */
  readonly digest?: string | undefined;
}

/** What the engine says of a runtime. */
export interface Status {
  readonly state: AgentState;
  readonly reason: string;
  readonly confidence: Confidence;
  readonly source: Source;
  readonly channel: string;
  /** The event that decided. */
  readonly eventId: string;
  /** Effective time of the event that decided; staleness and demotion count from it. */
  readonly at: Micros;
  /** Start of the unbroken run of this state value. */
  readonly since: Micros;
  readonly dialog?: Dialog | undefined;
}
