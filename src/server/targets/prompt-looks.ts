import type { Commit } from "../ingest/journal.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";

/** When a screen is looked at for a dialog's text, in milliseconds after its agent was said to wait: some draw it later. */
const LOOKS_MS = [0, 120, 300, 600, 1_200];

interface Parts {
  readonly targetId: string;
  readonly runtime: (runtimeId: string) => LiveRuntime | undefined;
  /** Looks at one runtime's screen now and publishes what it says. Never rejects. */
  readonly look: (runtimeId: string) => Promise<void>;
}

/**
 * An agent that is said to wait by another channel than its screen has a dialog that nobody has read yet: it is read at
 * once, not with the next round, so that it can be answered.
 */
export class PromptLooks {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(private readonly parts: Parts) {}

  /** Follows one commit. */
  follow({ touched }: Commit): void {
    for (const { record } of touched) {
      const { runtimeId, targetId } = record;
      if (targetId !== this.parts.targetId || this.#timers.has(runtimeId) || !this.#unread(runtimeId))
        continue;
      this.#schedule(runtimeId, 0);
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #schedule(runtimeId: string, attempt: number): void {
    const at = LOOKS_MS[attempt];
    if (at === undefined || !this.#unread(runtimeId)) {
      this.#timers.delete(runtimeId);
      return;
    }
    const timer = setTimeout(
      async () => {
        await this.parts.look(runtimeId);
        // Closed meanwhile.
        if (this.#timers.get(runtimeId) === timer) this.#schedule(runtimeId, attempt + 1);
      },
      at - (LOOKS_MS[attempt - 1] ?? 0),
    );
    this.#timers.set(runtimeId, timer);
  }

  #unread(runtimeId: string): boolean {
    const state = this.parts.runtime(runtimeId)?.state;
    const waits = state?.status.state === "waiting_approval" || state?.status.state === "waiting_input";
    return waits && state?.promptId === "";
  }
}
