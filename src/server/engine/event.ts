import type { Micros, Source } from "./state.js";

/** Values that may be stored: allow-listed and bounded by the normaliser that made them. */
export type AttributeValue = string | number | boolean;

/** What a signal means in its adapter's own vocabulary. The fold reads this and never the payload. */
export interface Transition {
  readonly kind: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>> | undefined;
}

/** A bound event, as the fold sees it. */
export interface BoundEvent {
  readonly eventId: string;
  readonly source: Source;
  readonly channel: string;
  readonly eventTime: Micros;
  /** Belongs to the event from its first acceptance on. */
  readonly ingestedAt: Micros;
  /** `effectiveTime(...)` of order.ts, before the running maximum of a sequenced channel. */
  readonly effectiveTime: Micros;
  /** Present exactly on sequenced channels. */
  readonly sourceSeq?: number | undefined;
  /** Absent for signals that no rule knows; they are kept and counted, and change nothing. */
  readonly transition?: Transition | undefined;
}

/** Transition kinds that the daemon itself makes; every adapter's fold understands them alike. */
export const DAEMON_TRANSITIONS = {
  targetDown: "target_down",
  targetUp: "target_up",
  stale: "stale_detected",
  demotion: "demotion_due",
  suspended: "process_suspended",
  resumed: "process_resumed",
} as const;
