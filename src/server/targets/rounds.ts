/** What rounds are made of. */
export interface RoundParts {
  /** Asked before each round: false, and none begins. */
  readonly mayBegin: () => boolean;
  /** One round. Never rejects. */
  readonly observe: () => Promise<void>;
  /** From the beginning of the round that has just ended to that of the next, in milliseconds. */
  readonly intervalMs: () => number;
  /** Least rest between two rounds, in milliseconds. */
  readonly leastMs: number;
}

/** When a target is observed: one round at a time, on and on; whatever rings during a round leads to one more. */
export class Rounds {
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  /** By the monotonic clock, in milliseconds. */
  #began = 0;
  #again = false;
  #stopped = false;

  constructor(private readonly parts: RoundParts) {}

  /** Has a round begin within `delayMs`. */
  kick(delayMs: number): void {
    if (this.#stopped) return;
    if (this.#round !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), delayMs);
  }

  /** The next round comes soon after the present one. */
  again(): void {
    this.#again = true;
  }

  /** Resolves when a round that began after this call has ended, or at once if none may begin. */
  async now(): Promise<void> {
    await this.#round;
    clearTimeout(this.#timer);
    await this.#begin();
  }

  /** Forgets the next round; the one that runs goes on. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  /** Resolves when the present round has ended; none follows. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #begin(): Promise<void> {
    if (this.#stopped || !this.parts.mayBegin()) return;
    if (this.#round !== undefined) return this.#round;
    this.#again = false;
    this.#began = performance.now();
    this.#round = this.parts.observe().finally(() => {
      this.#round = undefined;
      this.#schedule();
    });
    return this.#round;
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { intervalMs, leastMs } = this.parts;
    // From one beginning to the next, whatever a round takes.
    const rest = Math.max(leastMs, intervalMs() - (performance.now() - this.#began));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), this.#again ? leastMs : rest);
  }
}
