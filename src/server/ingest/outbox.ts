import type { Micros } from "../engine/state.js";
import { StoreFault } from "../store/fault.js";
import type { PreparedEvent } from "./prepared-event.js";

/** An event that the daemon itself made and that the store did not take yet. */
export interface Kept {
  readonly event: PreparedEvent;
  /** When it was first submitted. It keeps its place in time, however late it is stored. */
  readonly ingestedAt: Micros;
  /** Told when the event is given up because of a defect; a refusing store is none. */
  readonly onLost: (error: unknown) => void;
}

/** One transaction's worth: it must not hold up the daemon for long. */
const BATCH = 500;

/**
 * What the daemon read and could not store, oldest first. A hook keeps what was refused in its spool; what the daemon
 * read off a screen or a session file is kept by nobody but this.
 */
export class Outbox {
  #kept: Kept[] = [];
  #dropped = 0;

  constructor(
    /** Stores all of a batch in its order, or throws and stores none. */
    private readonly store: (batch: readonly Kept[]) => void,
    /** Most events that are kept; the oldest go first, their news being the oldest. */
    private readonly limit = 4_096,
  ) {}

  get size(): number {
    return this.#kept.length;
  }

  keep(entries: readonly Kept[]): void {
    this.#kept.push(...entries);
    const over = this.#kept.length - this.limit;
    if (over <= 0) return;
    this.#kept.splice(0, over);
    this.#dropped += over;
  }

  /** Stores the oldest batch. Throws StoreFault if the store refuses; then all of it is kept on. */
  storeSome(): void {
    const batch = this.#kept.slice(0, BATCH);
    try {
      this.store(batch);
    } catch (error) {
      if (error instanceof StoreFault) throw error;
      this.#storeEach(batch);
      return;
    }
    this.#kept.splice(0, batch.length);
  }

  /** How many were dropped over the limit since this was last asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** One of them cannot be stored at all: the others must not wait for it for ever. */
  #storeEach(batch: readonly Kept[]): void {
    for (const entry of batch) {
      try {
        this.store([entry]);
      } catch (error) {
        if (error instanceof StoreFault) throw error;
        entry.onLost(error);
      }
      this.#kept.shift();
    }
  }
}
