import type { BindingHints } from "../engine/bind.js";
import type { Transition } from "../engine/event.js";
import type { Micros, Source } from "../engine/state.js";

/** A checked and redacted event on its way to its runtime. JSON data, so that it can wait in the inbox. */
export interface PreparedEvent {
  readonly eventId: string;
  readonly eventType: string;
  readonly agentType: string;
  readonly source: Source;
  readonly channel: string;
  readonly dedupeKey: string;
  readonly sourceEventId: string;
  readonly sourceSeq?: number | undefined;
  readonly eventTime: Micros;
  /** Resolution of the source's clock, in microseconds. */
  readonly resolution: Micros;
  readonly spooled: boolean;
  /** mtime of its spool file. */
  readonly spooledAt?: Micros | undefined;
  /** Where it may belong. Without targets, they follow from the tmux socket each time it is tried to be bound. */
  readonly hints: Omit<BindingHints, "targetIds"> & { readonly targetIds?: readonly string[] };
  /** The tmux socket that the emitter saw; absent or '' if none. */
  readonly tmuxSocket?: string | undefined;
  readonly transition?: Transition | undefined;
  readonly agentSessionId?: string | undefined;
  readonly actionId?: string | undefined;
}
