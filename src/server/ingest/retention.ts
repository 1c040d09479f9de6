import type { Micros } from "../engine/state.js";
import type { Logger } from "../log.js";
import type { Store } from "../store/store.js";
import type { Journal } from "./journal.js";

export interface RetentionSettings {
  readonly eventsKeptMs: number;
  readonly actionsKeptMs: number;
  readonly retentionEveryMs: number;
}

export interface RetentionClock {
  readonly now: () => Micros;
  /** How long the wall clock has not leapt forward. */
  readonly steadyFor: () => Micros;
}

/** What one run took away. */
export interface Removed {
  events: number;
  inbox: number;
  actions: number;
}

/** A batch holds up everything else in the daemon; one that took longer than this makes the next one smaller. */
const BATCH_MS = 10;
const SMALLEST = 20;
const LARGEST = 500;
/** Between batches, so that calls are answered. */
const PAUSE_MS = 5;
/** A clock that has just leapt may be set back again: what it makes look old is not taken away at once. */
const STEADY: Micros = 3_600_000_000;

type Batch = (limit: number) => number;

/** Takes old events, inbox rows and actions away, in small batches. */
export class Retention {
  #timer: NodeJS.Timeout | undefined;
  #limit = 100;
  #stopped = false;
  #running: Promise<Removed> | undefined;

  constructor(
    private readonly store: Store,
    private readonly journal: Journal,
    private readonly settings: RetentionSettings,
    private readonly clock: RetentionClock,
    private readonly log: Logger,
  ) {}

  start(): void {
    const run = (): void => {
      this.run().catch((error: unknown) => {
        this.log.error({ error: String(error) }, "old rows were not removed");
      });
    };
    this.#timer = setInterval(run, this.settings.retentionEveryMs);
    run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running?.catch(() => undefined); // told by whoever began it
  }

  /** Takes away all that is due now. Rejects with what the store says; batches that were committed stay so. */
  run(): Promise<Removed> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<Removed> {
    const removed: Removed = { events: 0, inbox: 0, actions: 0 };
    if (this.clock.steadyFor() < STEADY) return removed;
    const now = this.clock.now();
    const eventsBefore = now - this.settings.eventsKeptMs * 1_000;
    const actionsBefore = now - this.settings.actionsKeptMs * 1_000;
    for (const { record } of [...this.journal.runtimes()]) {
      const batch: Batch = (limit) => this.journal.forget(record.runtimeId, eventsBefore, limit);
      removed.events += await this.#all(batch);
    }
    const { retention } = this.store;
    removed.events += await this.#all((limit) => retention.removeUnfolded(eventsBefore, limit));
    removed.inbox += await this.#all((limit) => retention.removeSettled(eventsBefore, limit));
    removed.actions += await this.#all((limit) => retention.removeActions(actionsBefore, limit));
    if (removed.events + removed.inbox + removed.actions > 0) {
      this.log.info({ ...removed }, "old rows were removed");
    }
    return removed;
  }

  async #all(batch: Batch): Promise<number> {
    let removed = 0;
    while (!this.#stopped) {
      const began = performance.now();
      const gone = this.journal.transaction(() => batch(this.#limit));
      const took = performance.now() - began;
      if (gone === 0) break;
      removed += gone;
      if (took > BATCH_MS) this.#limit = Math.max(SMALLEST, Math.floor(this.#limit / 2));
      else if (took < BATCH_MS / 4) this.#limit = Math.min(LARGEST, this.#limit * 2);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return removed;
  }
}
