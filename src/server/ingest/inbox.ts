import type { Micros } from "../engine/state.js";
import type { Store } from "../store/store.js";
import type { PreparedEvent } from "./prepared-event.js";

export type DropReason = "bind_no_candidate" | "bind_ambiguous" | "bind_ttl_expired";

/** An event that waits for its runtime. */
export interface Waiting {
  readonly event: PreparedEvent;
  readonly ingestedAt: Micros;
}

/** Events without a runtime: those that wait for theirs, and those that were dropped, with the reason. */
export class Inbox {
  constructor(private readonly store: Store) {}

  /** False if the event, or one with its key, is there already. */
  wait(event: PreparedEvent, ingestedAt: Micros): boolean {
    return this.store.inbox.insert(entry(event, ingestedAt), "pending_bind");
  }

  /** False if the event, or one with its key, is there already. */
  drop(event: PreparedEvent, ingestedAt: Micros, reason: DropReason): boolean {
    return this.store.inbox.insert(entry(event, ingestedAt), "dropped_unbound", reason);
  }

  /** In the order of their acceptance. */
  waiting(): Waiting[] {
    return this.store.inbox.pending().map(({ event, ingestedAt }) => ({
      // Written by `entry` below; the column has no other writer.
      event: JSON.parse(event) as PreparedEvent,
      ingestedAt,
    }));
  }

  /** The event has found its runtime. */
  bound(event: PreparedEvent): void {
    this.store.inbox.settle(event.eventId, "bound");
  }

  /** The event has waited in vain. */
  dropWaiting(event: PreparedEvent, reason: DropReason): void {
    this.store.inbox.settle(event.eventId, "dropped_unbound", reason);
  }
}

function entry(event: PreparedEvent, ingestedAt: Micros) {
  return {
    eventId: event.eventId,
    // Known only of what the daemon itself read; '' stands for a target that binding will tell.
    targetId: event.hints.targetIds?.[0] ?? "",
    paneId: event.hints.pane?.paneId ?? "",
    source: event.source,
    channel: event.channel,
    dedupeKey: event.dedupeKey,
    event: JSON.stringify(event),
    ingestedAt,
  };
}
