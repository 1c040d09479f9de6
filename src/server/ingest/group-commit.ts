import type { Micros } from "../engine/state.js";
import type { Journal, Outcome } from "./journal.js";
import type { PreparedEvent } from "./prepared-event.js";

interface Waiting {
  readonly events: readonly PreparedEvent[];
  readonly resolve: (outcomes: Outcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Commits everything that was submitted within one turn of the event loop together: one fsync for all of it, and
 * nobody waits for a timer. A promise resolves once its events are on disk.
 */
export class GroupCommit {
  #waiting: Waiting[] = [];

  constructor(
    private readonly journal: Journal,
    private readonly now: () => Micros,
  ) {}

  submit(events: readonly PreparedEvent[]): Promise<Outcome[]> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.flush());
      this.#waiting.push({ events, resolve, reject });
    });
  }

  /** Commits what waits now. Rejects its promises if the store refuses; then none of it is on disk. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0) return;
    try {
      const now = this.now();
      const outcomes = this.journal.transaction(() =>
        waiting.map(({ events }) => events.map((event) => this.journal.accept(event, now))),
      );
      waiting.forEach(({ resolve }, index) => {
        resolve(outcomes[index] ?? []);
      });
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
