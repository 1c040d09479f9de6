import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";

/** Longest wait for the actions before, in milliseconds. */
const PATIENCE_MS = 5_000;

/** One action at a time in each pane: between the text of one and its Enter comes no key of another. */
export class PaneTurns {
  readonly #last = new Map<string, Promise<void>>();

  /** Whether nobody is at a pane, or waits for it. */
  free(pane: string): boolean {
    return !this.#last.has(pane);
  }

  /** Runs `work` when those before it in that pane have ended. Rejects with ContractError E_TIMEOUT if they take too long. */
  async take<T>(pane: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(pane) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const mine = before.then(() => promise);
    this.#last.set(pane, mine);
    try {
      await this.#patiently(before);
      return await work();
    } finally {
      resolve();
      // The last one out: nobody waits for this pane any more.
      void mine.then(() => {
        if (this.#last.get(pane) === mine) this.#last.delete(pane);
      });
    }
  }

  async #patiently(before: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const message = "other actions on that pane take too long";
        reject(new ContractError(ErrorCode.E_TIMEOUT, message, { reason: "pane_busy" }));
      }, PATIENCE_MS);
    });
    try {
      await Promise.race([before, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
