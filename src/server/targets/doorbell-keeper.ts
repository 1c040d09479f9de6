import type { Doorbell, Executor } from "./executor.js";

interface KeeperEvents {
  readonly onRing: () => void;
  /** Undefined: it rings again. */
  readonly onLost: (message: string | undefined) => void;
}

/** Keeps a doorbell on the tmux server that runs now. The poll goes on without it; it is only quicker. */
export class DoorbellKeeper {
  #bell: Doorbell | undefined;
  #bootId: string | undefined;
  #notBefore = 0;

  constructor(
    private readonly executor: Executor,
    private readonly settings: { readonly doorbellRetryMs: number },
    private readonly events: KeeperEvents,
  ) {}

  /** Tells which server runs; call after every reading. A lost doorbell is hung up anew from here. */
  follow(bootId: string | undefined): void {
    if (bootId !== this.#bootId) {
      this.close();
      this.#bootId = bootId;
      this.#notBefore = 0;
    }
    if (bootId === undefined) {
      this.events.onLost(undefined);
      return;
    }
    if (this.#bell !== undefined || performance.now() < this.#notBefore) return;
    const bell = this.executor.doorbell(this.events.onRing, (reason) => {
      if (this.#bell !== bell) return;
      this.#bell = undefined;
      this.#notBefore = performance.now() + this.settings.doorbellRetryMs;
      this.events.onLost(`the doorbell ended (${reason}); polling goes on`);
      // A server that ends rings for the last time.
      this.events.onRing();
    });
    this.#bell = bell;
    void bell.ready.then((ready) => {
      if (ready && this.#bell === bell) this.events.onLost(undefined);
    });
  }

  close(): void {
    this.#bell?.close();
    this.#bell = undefined;
  }
}
