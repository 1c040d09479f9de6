import type { Micros, Source } from "../engine/state.js";
import { isUnheard } from "../store/event-store.js";

/** Counts of one channel of one agent, of this daemon life. */
export interface ChannelCounts {
  readonly agentType: string;
  readonly source: Source;
  readonly channel: string;
  accepted: number;
  duplicates: number;
  unknown: number;
  dropped: number;
  rejected: number;
  lastAt: Micros;
}

interface Counted {
  readonly agentType: string;
  readonly source: Source;
  readonly channel: string;
  readonly transition?: unknown;
}

/** Channels beyond this are counted together: names come from outside. */
const MAX_CHANNELS = 256;

/** Signal counters by agent, source and channel. */
export class Counters {
  #channels = new Map<string, ChannelCounts>();

  count(
    event: Counted,
    outcome: "accepted" | "duplicate" | "pending" | "dropped" | "rejected",
    at: Micros,
  ): void {
    const counts = this.#of(event);
    if (outcome === "accepted") {
      counts.accepted += 1;
      counts.lastAt = at;
      if (isUnheard(event)) counts.unknown += 1;
    } else if (outcome === "duplicate") counts.duplicates += 1;
    else if (outcome === "dropped") counts.dropped += 1;
    else if (outcome === "rejected") counts.rejected += 1;
  }

  /** By agent, source and channel. */
  list(): readonly ChannelCounts[] {
    return [...this.#channels.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, counts]) => counts);
  }

  /** A copy to go back to when a transaction fails. */
  mark(): ReadonlyMap<string, ChannelCounts> {
    return new Map([...this.#channels].map(([key, counts]) => [key, { ...counts }]));
  }

  rollback(mark: ReadonlyMap<string, ChannelCounts>): void {
    this.#channels = new Map(mark);
  }

  #of(event: Counted): ChannelCounts {
    const full = this.#channels.size >= MAX_CHANNELS;
    const key = `${event.agentType} ${event.source} ${event.channel}`;
    const known = this.#channels.get(key);
    if (known !== undefined) return known;
    const channel = full ? "(other)" : event.channel;
    const counts: ChannelCounts = {
      agentType: event.agentType,
      source: event.source,
      channel,
      accepted: 0,
      duplicates: 0,
      unknown: 0,
      dropped: 0,
      rejected: 0,
      lastAt: 0,
    };
    this.#channels.set(full ? `${event.agentType} ${event.source} (other)` : key, counts);
    return counts;
  }
}
