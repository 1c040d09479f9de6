/** What is open and must be closed: daemons, tmux servers, directories. Closed in the opposite order. */
export class Resources {
  #closers: (() => void | Promise<void>)[] = [];
  #closed = false;

  /** What a row opens after its deadline is closed at once. */
  add(close: () => void | Promise<void>): void {
    if (this.#closed) void close();
    else this.#closers.push(close);
  }

  /** Closes everything, also when one refuses; then throws the first refusal. */
  async close(): Promise<void> {
    this.#closed = true;
    const closers = this.#closers.reverse();
    this.#closers = [];
    const refusals: unknown[] = [];
    for (const close of closers) {
      try {
        await close();
      } catch (error) {
        refusals.push(error);
      }
    }
    if (refusals.length > 0) throw refusals[0];
  }
}
