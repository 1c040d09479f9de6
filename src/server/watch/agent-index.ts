import type { Commit, Journal } from "../ingest/journal.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import type { AgentFacts } from "./rows.js";

function key(target: string, paneId: string): string {
  return `${target} ${paneId}`;
}

/** What runs in each pane, kept along with the journal's commits. */
export class AgentIndex {
  readonly #byPane = new Map<string, LiveRuntime>();

  constructor(
    private readonly journal: Journal,
    private readonly promptText: (runtime: LiveRuntime) => string,
  ) {}

  /** Takes everything from the journal anew. */
  reload(): void {
    this.#byPane.clear();
    for (const runtime of this.journal.runtimes()) this.#set(runtime);
  }

  /** Follows one commit; endings first, since a pane may have got its next runtime in the same one. */
  follow(change: Commit): void {
    for (const { targetId, paneId, runtimeId } of change.ended) {
      const at = key(targetId, paneId);
      if (this.#byPane.get(at)?.record.runtimeId === runtimeId) this.#byPane.delete(at);
    }
    for (const runtime of change.touched) this.#set(runtime);
  }

  find(target: string, paneId: string): AgentFacts | undefined {
    const runtime = this.#byPane.get(key(target, paneId));
    if (runtime === undefined) return undefined;
    return { record: runtime.record, state: runtime.state, promptText: this.promptText(runtime) };
  }

  #set(runtime: LiveRuntime): void {
    this.#byPane.set(key(runtime.record.targetId, runtime.record.paneId), runtime);
  }
}
