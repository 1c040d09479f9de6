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

/** A finished action, as its caller and every replay are told. */
export interface Finished {
  readonly actionId: string;
  readonly outcome: ActionOutcome;
  readonly completedAt: Micros;
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
  /** Results that the store did not take. */
  readonly #owed = new Map<string, Finished>();

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
    this.store.transaction(() => {
      for (const { actionId, status } of cut) this.store.actions.finish(actionId, cutOff(status), this.now());
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
    const owed = [...this.#owed.values()];
    this.store.transaction(() => {
      this.#store(owed);
      this.store.actions.plan(
        { ...plan, actionId, createdAt: this.now() },
        { ...snapshot, nonce, expiresAt },
      );
    });
    this.#paid(owed);
    return actionId;
  }

  /** Executes what was planned; a repeated request meanwhile waits for it. Rejects with what `work` does. */
  async execute(
    actionId: string,
    runtimeId: string,
    type: ActionType,
    work: () => Promise<ActionOutcome>,
  ): Promise<Finished> {
    const running = work().then(
      (outcome) => this.#finish(actionId, runtimeId, type, outcome),
      (error: unknown) => {
        // A defect, or a store that refuses: what is known of it is written down all the same.
        this.#finish(actionId, runtimeId, type, cutOff(this.#begun.has(actionId) ? "started" : "planned"));
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
  begin(actionId: string, runtimeId: string, type: ActionType): void {
    this.journal.transaction(() => {
      this.store.actions.start(actionId);
      this.#tell(actionId, runtimeId, type, "begun");
    });
    this.#begun.add(actionId);
    failpoint("action.after-begin");
  }

  /** Actions that are being executed. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Resolves when nothing is in flight any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#inFlight.values());
  }

  #finish(actionId: string, runtimeId: string, type: ActionType, outcome: ActionOutcome): Finished {
    failpoint("action.before-finish");
    const finished = { actionId, outcome, completedAt: this.now() };
    const owed = [...this.#owed.values()];
    try {
      this.journal.transaction(() => {
        this.#store([...owed, finished]);
        this.#tell(actionId, runtimeId, type, outcome.code);
      });
      this.#paid(owed);
    } catch (error) {
      // It was done: who asked is told so, and so are replays; the store gets it with a later action.
      this.log.error({ actionId, error: String(error) }, "an action's result was not stored");
      this.#owed.set(actionId, finished);
    }
    failpoint("action.after-finish");
    return finished;
  }

  /** The correlated event; an agent that has ended meanwhile gets none. */
  #tell(actionId: string, runtimeId: string, type: ActionType, word: string): void {
    const runtime = this.journal.runtime(runtimeId);
    if (runtime === undefined) return;
    const now = this.now();
    this.journal.accept(fromAction(runtime, { actionId, eventType: `action.${type}.${word}`, now }), now);
  }

  #store(results: readonly Finished[]): void {
    for (const { actionId, outcome, completedAt } of results)
      this.store.actions.finish(actionId, outcome, completedAt);
  }

  #paid(results: readonly Finished[]): void {
    for (const { actionId } of results) this.#owed.delete(actionId);
  }

  #finished({ actionId, outcome, completedAt }: ActionRecord): Finished | undefined {
    if (outcome !== undefined) return { actionId, outcome, completedAt: completedAt ?? 0 };
    return this.#owed.get(actionId);
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
