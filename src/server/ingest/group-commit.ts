import type { Micros } from "../engine/state.js";
import { StoreFault } from "../store/fault.js";
import type { Journal, Outcome } from "./journal.js";
import { type Kept, Outbox } from "./outbox.js";
import type { PreparedEvent } from "./prepared-event.js";

interface Waiting {
  readonly events: readonly PreparedEvent[];
  readonly resolve: (outcomes: Outcome[]) => void;
  readonly refused: (error: unknown) => void;
}

/**
 * Commits everything that was submitted within one turn of the event loop together: one fsync for all of it, and
 * nobody waits for a timer. A promise resolves once its events are on disk.
 *
 * While the store refuses, what callers submit is refused too, and they have it still; what the daemon itself made is
 * kept and stored before anything newer.
 */
export class GroupCommit {
  #waiting: Waiting[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #outbox: Outbox;
  readonly #gapListeners = new Set<() => void>();

  constructor(
    private readonly journal: Journal,
    private readonly now: () => Micros,
    outboxLimit?: number,
  ) {
    this.#outbox = new Outbox((batch) => {
      this.journal.transaction(() => {
        for (const { event, ingestedAt } of batch) this.journal.accept(event, ingestedAt);
      });
    }, outboxLimit);
  }

  /** For events that the caller has again if they are refused. Rejects with what the store or the journal say. */
  submit(events: readonly PreparedEvent[]): Promise<Outcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, refused: reject });
      this.#schedule();
    });
  }

  /**
   * For events that nobody else keeps. Resolves once they are on disk, or kept until the store takes them again; what
   * is given up because of a defect is told to `onLost`.
   */
  keep(events: readonly PreparedEvent[], onLost: (error: unknown) => void): Promise<void> {
    const ingestedAt = this.now();
    const entries = events.map((event): Kept => ({ event, ingestedAt, onLost }));
    if (this.behind) {
      this.#outbox.keep(entries);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const refused = (): void => {
        this.#outbox.keep(entries);
        resolve();
      };
      this.#waiting.push({ events, resolve: () => resolve(), refused });
      this.#schedule();
    });
  }

  /** Whether events of the daemon wait: what it holds in memory is behind what it has seen. */
  get behind(): boolean {
    return this.#outbox.size > 0;
  }

  /** Tells when the store takes writes again after kept events had to be dropped: who made them must look anew. */
  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  /** Commits what waits now. For the end of a daemon's life: what is refused now is not tried again by itself. */
  flush(): void {
    clearTimeout(this.#retry);
    clearImmediate(this.#scheduled);
    this.#retry = undefined;
    this.#scheduled = undefined;
    try {
      while (this.behind) this.#storeKept();
      this.#commit();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#turn();
    });
  }

  /** One transaction: of what is kept, else of what was submitted. */
  #turn(): void {
    try {
      if (this.behind) this.#storeKept();
      else this.#commit();
    } catch (error) {
      this.#refuse(error);
      if (this.behind) this.#retryAfter(error);
      return;
    }
    if (this.behind || this.#waiting.length > 0) this.#schedule();
  }

  #retryAfter(error: unknown): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    // Somebody else's event may be to blame; what is at fault itself is found when they are stored apart.
    if (!(error instanceof StoreFault)) this.#schedule();
    // A damaged store takes nothing more in this life.
    else if (Number.isFinite(error.retryInMs)) {
      this.#retry = setTimeout(() => this.#schedule(), error.retryInMs).unref();
    }
  }

  #storeKept(): void {
    this.#outbox.storeSome();
    if (this.behind || this.#outbox.takeDropped() === 0) return;
    for (const listener of this.#gapListeners) listener();
  }

  #refuse(error: unknown): void {
    for (const { refused } of this.#waiting.splice(0)) refused(error);
  }

  /** Throws if it is refused; then none of it is on disk, and all of it waits still. */
  #commit(): void {
    if (this.#waiting.length === 0) return;
    const now = this.now();
    const waiting = this.#waiting;
    const outcomes = this.journal.transaction(() =>
      waiting.map(({ events }) => events.map((event) => this.journal.accept(event, now))),
    );
    this.#waiting = [];
    waiting.forEach(({ resolve }, index) => {
      resolve(outcomes[index] ?? []);
    });
  }
}
