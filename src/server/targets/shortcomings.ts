import type { Micros } from "../engine/state.js";

/** What a degraded channel or doorbell looks like in health. */
export interface Shortcoming {
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly since: Micros;
}

/** What of one target works with less than it should, now. */
export class Shortcomings {
  readonly #held = new Map<string, Shortcoming>();

  constructor(private readonly now: () => Micros) {}

  get list(): readonly Shortcoming[] {
    return [...this.#held.values()];
  }

  /** Holds from now on; without a message it holds no longer. */
  note(code: string, subject: string, message: string | undefined): void {
    const key = `${code} ${subject}`;
    if (message === undefined) this.#held.delete(key);
    else if (this.#held.get(key)?.message !== message) {
      this.#held.set(key, { code, subject, message, since: this.now() });
    }
  }
}
