import { nextDue } from "./engine/demotion.js";
import type { Micros } from "./engine/state.js";
import type { GroupCommit } from "./ingest/group-commit.js";
import type { Journal } from "./ingest/journal.js";
import type { LiveRuntime } from "./ingest/live-runtime.js";
import { fromDaemon } from "./ingest/native-signals.js";
import type { PreparedEvent } from "./ingest/prepared-event.js";
import type { Logger } from "./log.js";
import { StoreFault } from "./store/fault.js";

export interface ReconcilerSettings {
  readonly runningTtlMicros: Micros;
  readonly completedTtlMicros: Micros;
}

/** Longer than any tick is late for load alone: the clock jumped or the machine slept. */
const JUMP_MS = 10_000;
const TICK_MS = 500;
/** Longest wait for the observation after a jump; every target's own commands are bounded by less. */
const OBSERVE_MS = 30_000;

/**
 * Decides what time alone makes true (staleness, demotion, what waits in the inbox) and tells of target health. It
 * emits events into the same path as everything else and writes no state.
 */
export class Reconciler {
  #timer: NodeJS.Timeout | undefined;
  #lastTick: Micros;
  /** After a jump: nothing is judged before every target was observed anew. */
  #observeFirst: { readonly until: Micros } | undefined;
  /** What each target's runtimes were told last; absent until then. */
  readonly #toldDown = new Map<string, boolean>();
  /** Targets whose runtimes could not be told that they went down (true) or came back. */
  readonly #untold = new Map<string, boolean>();

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
      this.#observe(now);
    }
    if (this.#observeFirst !== undefined) {
      if (now < this.#observeFirst.until) return;
      this.log.error("observing took too long: judging by what is known");
      this.#observeFirst = undefined;
    }
    // Signs of life wait to be stored: without them too much looks stale. What is due then is due later.
    if (this.commit.behind) return;
    for (const [target, down] of this.#untold) this.targetHealthChanged(target, down);
    this.#judge(now);
    this.workOffInbox();
  }

  #observe(now: Micros): void {
    const observation = { until: now + OBSERVE_MS * 1_000 };
    this.#observeFirst = observation;
    this.observeAll()
      .catch((error: unknown) => {
        this.log.error({ error: String(error) }, "observing failed: judging by what is known");
      })
      .finally(() => {
        if (this.#observeFirst === observation) this.#observeFirst = undefined;
      });
  }

  /** Binds what waits and now fits a runtime, and drops what has waited too long. */
  workOffInbox(): void {
    try {
      if (!this.journal.hasPending()) return;
      this.journal.transaction(() => this.journal.retryInbox(this.now()));
    } catch (error) {
      this.#report(error, "the inbox was not worked off");
    }
  }

  /** Tells every active runtime of a target that it went down or came back, so that each fold is complete. */
  targetHealthChanged(targetId: string, down: boolean): void {
    // While signals wait, the folds do not know yet what they were told last.
    if (this.commit.behind) {
      this.#untold.set(targetId, down);
      return;
    }
    this.#untold.delete(targetId);
    // What was told may not be stored yet.
    const told = this.#toldDown.get(targetId);
    this.#toldDown.set(targetId, down);
    const events: PreparedEvent[] = [];
    for (const runtime of this.journal.runtimes()) {
      if (runtime.record.targetId !== targetId) continue;
      if ((told ?? runtime.fold.targetDown !== undefined) === down) continue;
      events.push(fromDaemon(runtime, down ? "targetDown" : "targetUp", "target_health_changed", this.now()));
    }
    this.#emit(events, () => {
      this.#toldDown.delete(targetId);
      this.#untold.set(targetId, down);
    });
  }

  #judge(now: Micros): void {
    const { runningTtlMicros, completedTtlMicros } = this.settings;
    const events: PreparedEvent[] = [];
    for (const runtime of this.journal.runtimes()) {
      const due = nextDue(runtime.fold.status, runtime.fold.sign, {
        runningTtl: runningTtlMicros,
        completedTtl: completedTtlMicros,
      });
      if (due === undefined || due.at > now) continue;
      events.push(judgement(runtime, due.kind, now));
    }
    this.#emit(events);
  }

  /** Not kept when refused: all of it follows from what is known, and is made again while it holds. */
  #emit(events: readonly PreparedEvent[], refused?: () => void): void {
    if (events.length === 0) return;
    this.commit.submit(events).catch((error: unknown) => {
      if (error instanceof StoreFault) refused?.();
      this.#report(error, "judgements were not stored");
    });
  }

  /** That the store refuses is said once, by the store. */
  #report(error: unknown, what: string): void {
    if (!(error instanceof StoreFault)) this.log.error({ error: String(error) }, what);
  }
}

function judgement(runtime: LiveRuntime, kind: "stale" | "demotion", now: Micros): PreparedEvent {
  const eventType = kind === "stale" ? "stale_detected" : "demotion_due";
  const { status, sign } = runtime.fold;
  return fromDaemon(runtime, kind, eventType, now, { guard: status.eventId, sign });
}
