import { nextDue } from "./engine/demotion.js";
import type { Micros } from "./engine/state.js";
import type { GroupCommit } from "./ingest/group-commit.js";
import type { Journal } from "./ingest/journal.js";
import type { LiveRuntime } from "./ingest/live-runtime.js";
import { fromDaemon } from "./ingest/native-signals.js";
import type { PreparedEvent } from "./ingest/prepared-event.js";
import type { Logger } from "./log.js";

export interface ReconcilerSettings {
  readonly runningTtlMicros: Micros;
  readonly completedTtlMicros: Micros;
}

/** Longer than any tick is late for load alone: the clock jumped or the machine slept. */
const JUMP_MS = 10_000;
const TICK_MS = 500;

/**
 * Decides what time alone makes true (staleness, demotion, what waits in the inbox) and tells of target health. It
 * emits events into the same path as everything else and writes no state.
 */
export class Reconciler {
  #timer: NodeJS.Timeout | undefined;
  #lastTick: Micros;
  /** After a jump: nothing is judged before every target was observed anew. */
  #observeFirst: Promise<void> | undefined;

  constructor(
    private readonly journal: Journal,
    private readonly commit: GroupCommit,
    private readonly now: () => Micros,
    private readonly settings: ReconcilerSettings,
    private readonly observeAll: () => Promise<void>,
    private readonly log: Logger,
  ) {
    this.#lastTick = now();
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  tick(): void {
    const now = this.now();
    const gap = now - this.#lastTick;
    this.#lastTick = now;
    if (gap < 0 || gap > JUMP_MS * 1_000) {
      this.log.info({ gapMs: Math.round(gap / 1_000) }, "the clock jumped: observing before judging");
      const observed = this.observeAll().finally(() => {
        if (this.#observeFirst === observed) this.#observeFirst = undefined;
      });
      this.#observeFirst = observed;
    }
    if (this.#observeFirst !== undefined) return;
    this.#judge(now);
    this.workOffInbox();
  }

  /** Binds what waits and now fits a runtime, and drops what has waited too long. */
  workOffInbox(): void {
    if (!this.journal.hasPending()) return;
    try {
      this.journal.transaction(() => this.journal.retryInbox(this.now()));
    } catch (error) {
      this.log.error({ error: String(error) }, "the inbox was not worked off");
    }
  }

  /** Tells every active runtime of a target that it went down or came back, so that each fold is complete. */
  targetHealthChanged(targetId: string, down: boolean): void {
    const events: PreparedEvent[] = [];
    for (const runtime of this.journal.runtimes()) {
      if (runtime.record.targetId !== targetId || (runtime.fold.targetDown !== undefined) === down) continue;
      events.push(fromDaemon(runtime, down ? "targetDown" : "targetUp", "target_health_changed", this.now()));
    }
    this.#emit(events);
  }

  #judge(now: Micros): void {
    const { runningTtlMicros, completedTtlMicros } = this.settings;
    const events: PreparedEvent[] = [];
    for (const runtime of this.journal.runtimes()) {
      const due = nextDue(runtime.fold.status, runtime.lastSign, {
        runningTtl: runningTtlMicros,
        completedTtl: completedTtlMicros,
      });
      if (due === undefined || due.at > now) continue;
      events.push(judgement(runtime, due.kind, now));
    }
    this.#emit(events);
  }

  #emit(events: readonly PreparedEvent[]): void {
    if (events.length === 0) return;
    this.commit.submit(events).catch((error: unknown) => {
      this.log.error({ error: String(error) }, "judgements were not stored");
    });
  }
}

function judgement(runtime: LiveRuntime, kind: "stale" | "demotion", now: Micros): PreparedEvent {
  const eventType = kind === "stale" ? "stale_detected" : "demotion_due";
  return fromDaemon(runtime, kind, eventType, now, { guard: runtime.fold.status.eventId });
}
