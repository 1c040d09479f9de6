import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import { failpoint } from "../failpoint.js";
import type { Journal } from "../ingest/journal.js";
import { fromAction } from "../ingest/native-signals.js";
import type { Logger } from "../log.js";
import type {
  ActionOutcome,
  ActionPlan,
  ActionRecord,
  ActionSnapshot,
  ActionType,
} from "../store/action-store.js";
import type { Store } from "../store/store.js";

/** Longest wait of a replay for the first execution. */
const IN_FLIGHT_MS = 5_000;
/** Between attempts to store what the store did not take. */
const OWED_EVERY_MS = 1_000;

/** A finished action, as its caller and every replay are told. */
export interface Finished {
  readonly actionId: string;
  readonly outcome: ActionOutcome;
  readonly completedAt: Micros;
}

/** Whose result it is. */
interface Subject {
  readonly actionId: string;
  readonly type: ActionType;
  /** '' for a pane without an agent. */
  readonly runtimeId: string;
}

/** What a replay finds. */
export type Replay =
  | { readonly kind: "finished"; readonly finished: Finished }
  | { readonly kind: "in_progress"; readonly actionId: string };

export interface LedgerSettings {
  readonly snapshotMs: number;
}

/**
 * What was asked for, what was begun, and what became of it: one row per action type and request_ref, written before
 * anything is done. An action that a crash cut off after it was begun has an unknown result for good.
 */
export class Ledger {
  /** By action id, while this daemon executes it. */
  readonly #inFlight = new Map<string, Promise<Finished>>();
  readonly #begun = new Set<string>();
  /** Results that the store did not take; tried again until it does. */
  readonly #owed = new Map<string, { readonly subject: Subject; readonly finished: Finished }>();
  #owedTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: Store,
    private readonly journal: Journal,
    private readonly now: () => Micros,
    private readonly settings: LedgerSettings,
    private readonly log: Logger,
  ) {}

  /** Settles what an earlier daemon life was cut off in. Call once, before anything is served. */
  recover(): void {
    const cut = this.store.actions.unfinished();
    if (cut.length === 0) return;
    this.log.warn(
      { actions: cut.map(({ actionId }) => actionId) },
      "actions were cut off by the end of a daemon",
    );
    this.journal.transaction(() => {
      for (const { actionId, actionType: type, runtimeId, status } of cut) {
        const finished = { actionId, outcome: cutOff(status), completedAt: this.now() };
        this.#store({ actionId, type, runtimeId }, finished);
      }
    });
  }

  /** The action of an earlier request with that key. */
  find(type: ActionType, requestRef: string): ActionRecord | undefined {
    return this.store.actions.ofRequest(type, requestRef);
  }

  /** What a repeated request is told; waits a while for the first. Throws ContractError E_IDEMPOTENCY_CONFLICT. */
  async replay(known: ActionRecord, requestHash: string): Promise<Replay> {
    const { actionId } = known;
    if (known.requestHash !== requestHash) {
      throw new ContractError(
        ErrorCode.E_IDEMPOTENCY_CONFLICT,
        "that request_ref was used for another request of this kind",
        { action_id: actionId },
      );
    }
    const stored = this.#finished(known);
    if (stored !== undefined) return { kind: "finished", finished: stored };
    const running = this.#inFlight.get(actionId);
    if (running === undefined) {
      const outcome = cutOff(known.status);
      return { kind: "finished", finished: { actionId, outcome, completedAt: known.createdAt } };
    }
    const late = new AbortController();
    const finished = await Promise.race([
      running,
      delay(IN_FLIGHT_MS, undefined, { signal: late.signal, ref: false }).catch(() => undefined),
    ]);
    late.abort();
    return finished === undefined ? { kind: "in_progress", actionId } : { kind: "finished", finished };
  }

  /** Writes down what is about to be checked. Throws StoreFault; then nothing was begun. */
  plan(
    plan: Omit<ActionPlan, "actionId" | "createdAt">,
    snapshot: Omit<ActionSnapshot, "nonce" | "expiresAt">,
  ): string {
    const actionId = randomUUID();
    const nonce = randomBytes(16).toString("hex");
    const expiresAt = snapshot.observedAt + this.settings.snapshotMs * 1_000;
    this.store.transaction(() => {
      this.store.actions.plan(
        { ...plan, actionId, createdAt: this.now() },
        { ...snapshot, nonce, expiresAt },
      );
    });
    return actionId;
  }

  /** Executes what was planned; a repeated request meanwhile waits for it. Rejects with what `work` does. */
  async execute(subject: Subject, work: () => Promise<ActionOutcome>): Promise<Finished> {
    const { actionId } = subject;
    const running = work().then(
      (outcome) => this.#finish(subject, outcome),
      (error: unknown) => {
        // A defect: what is known of it is written down all the same.
        this.#finish(subject, cutOff(this.#begun.has(actionId) ? "started" : "planned"));
        throw error;
      },
    );
    this.#inFlight.set(actionId, running);
    try {
      return await running;
    } finally {
      this.#inFlight.delete(actionId);
      this.#begun.delete(actionId);
    }
  }

  /** To be called right before the first thing is done: from here on a crash leaves an unknown result. Throws StoreFault. */
  begin(subject: Subject): void {
    this.journal.transaction(() => {
      this.store.actions.start(subject.actionId);
      this.#tell(subject, "begun");
    });
    this.#begun.add(subject.actionId);
    failpoint("action.after-begin");
  }

  /** Actions that are being executed. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Resolves when nothing is in flight any more and the store was offered what it is owed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#inFlight.values());
    this.#pay();
    clearInterval(this.#owedTimer);
  }

  #finish(subject: Subject, outcome: ActionOutcome): Finished {
    failpoint("action.before-finish");
    const { actionId } = subject;
    const finished = { actionId, outcome, completedAt: this.now() };
    try {
      this.journal.transaction(() => this.#store(subject, finished));
    } catch (error) {
      // Who asked is told all the same, and so are replays.
      this.log.error({ actionId, error: String(error) }, "an action's result was not stored");
      this.#owed.set(actionId, { subject, finished });
      this.#owedTimer ??= setInterval(() => this.#pay(), OWED_EVERY_MS).unref();
    }
    failpoint("action.after-finish");
    return finished;
  }

  #pay(): void {
    for (const [actionId, { subject, finished }] of this.#owed) {
      try {
        this.journal.transaction(() => this.#store(subject, finished));
      } catch {
        continue; // That it is not stored was said when it was refused first.
      }
      this.#owed.delete(actionId);
    }
    if (this.#owed.size > 0) return;
    clearInterval(this.#owedTimer);
    this.#owedTimer = undefined;
  }

  #store(subject: Subject, { actionId, outcome, completedAt }: Finished): void {
    this.store.actions.finish(actionId, outcome, completedAt);
    this.#tell(subject, outcome.code);
  }

  /** The correlated event; an agent that has ended meanwhile gets none. */
  #tell({ actionId, type, runtimeId }: Subject, word: string): void {
    const runtime = this.journal.runtime(runtimeId);
    if (runtime === undefined) return;
    const now = this.now();
    this.journal.accept(fromAction(runtime, { actionId, eventType: `action.${type}.${word}`, now }), now);
  }

  #finished({ actionId, outcome, completedAt }: ActionRecord): Finished | undefined {
    if (outcome !== undefined) return { actionId, outcome, completedAt: completedAt ?? 0 };
    return this.#owed.get(actionId)?.finished;
  }
}

/** What became of an action whose daemon ended in the middle of it. */
function cutOff(status: ActionRecord["status"]): ActionOutcome {
  return status === "planned"
    ? { code: "failed", message: "it was cut off before anything was done" }
    : {
        code: "result_unknown",
        message: "it was cut off while it was being done: look whether it was, it is not done again",
        effect: "unknown",
      };
}
