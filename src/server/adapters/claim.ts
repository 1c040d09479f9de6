import type { BoundEvent } from "../engine/event.js";
import type { AgentState, Candidate, Confidence, Micros, Source } from "../engine/state.js";
import { attribute } from "./contract.js";

/** A state that one channel stands for, and the event that said so. JSON data, for an adapter's memory. */
export type Claim = {
  readonly state: AgentState;
  readonly reason: string;
  readonly confidence: Confidence;
  readonly source: Source;
  readonly channel: string;
  readonly at: Micros;
  readonly eventId: string;
};

export function claim(
  event: BoundEvent,
  state: AgentState,
  reason: string,
  confidence: Confidence = "high",
): Claim {
  const { source, channel, eventId } = event;
  return { state, reason, confidence, source, channel, at: event.effectiveTime, eventId };
}

export function isWaiting(value: Pick<Claim, "state"> | null): boolean {
  return value?.state === "waiting_approval" || value?.state === "waiting_input";
}

const SCREEN_STATES: Readonly<Record<string, AgentState>> = {
  running: "running",
  waiting_approval: "waiting_approval",
  waiting_input: "waiting_input",
  completed: "completed",
  idle: "idle",
  error: "error",
};

/** What a look at the screen claims; undefined if it claims nothing. Medium, or high once confirmed. */
export function screenClaim(event: BoundEvent): Claim | undefined {
  const state = SCREEN_STATES[attribute(event, "state")];
  if (state === undefined) return undefined;
  const confirmed = attribute(event, "confirmed") === "true";
  return claim(event, state, attribute(event, "reason"), confirmed ? "high" : "medium");
}

/**
 * A turn's end that a channel shows still when it is read anew, after a restart say, is the one that is known: it keeps its
 * time and event, so that it does not last longer, nor come back after its demotion. It is a new one if a turn has begun
 * since, or if another channel has said anything since.
 */
export function sameEnd(
  known: Claim | null,
  read: Claim,
  since: Micros,
  others: readonly (Claim | null)[],
): Claim {
  if (known === null || read.state !== "completed") return read;
  const same = known.state === read.state && known.reason === read.reason && known.at >= since;
  if (!same || others.some((other) => other !== null && other.at > known.at)) return read;
  return read.confidence === "high" ? { ...known, confidence: "high" } : known;
}

/** The part of an adapter's memory that tells one dialog from the next. */
export type DialogMemory = {
  /** Goes up when a dialog opens after none was open, or when one channel reports a second request. */
  readonly episode: number;
  /** Whether the hooks have reported a dialog in this episode. */
  readonly hookedEpisode: boolean;
  /** Of the open dialog's text; null until it has been read. */
  readonly digest: string | null;
};

export const NO_DIALOG: DialogMemory = { episode: 0, hookedEpisode: false, digest: null };

/** The digest after a look at the screen: that of the dialog it shows, if it shows one. */
export function digestAfter(memory: DialogMemory, seen: Claim, event: BoundEvent): string | null {
  const digest = attribute(event, "digest");
  return isWaiting(seen) && digest !== "" ? digest : memory.digest;
}

/** A look at the screen that was taken longer before a dialog opened did not see it, in microseconds. */
const SEEN_BEFORE: Micros = 1_500_000;

/** Follows the dialog's life from one memory to the next; `decider` gives the claim that speaks for the agent. */
export function trackDialog<M extends DialogMemory & { readonly screen: Claim | null }>(
  before: M,
  after: M,
  decider: (memory: M) => Claim | null,
): M {
  const was = isWaiting(decider(before));
  const opening = decider(after);
  const is = isWaiting(opening);
  if (!was && is) {
    // The screen may have shown it a moment before the channel that speaks for the agent told of it.
    const { screen } = after;
    const shown = isWaiting(screen) && (opening?.at ?? 0) - (screen?.at ?? 0) <= SEEN_BEFORE;
    return { ...after, episode: before.episode + 1, digest: shown ? after.digest : null };
  }
  return was && !is ? { ...after, hookedEpisode: false, digest: null } : after;
}

/** A claim as a candidate; one that waits names its dialog. */
export function withDialog(memory: DialogMemory, value: Claim): Candidate {
  if (!isWaiting(value)) return value;
  return { ...value, dialog: { episode: memory.episode, digest: memory.digest ?? undefined } };
}
