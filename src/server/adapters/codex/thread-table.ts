import type { ThreadFacts, ThreadStatus } from "./app-server-messages.js";
import { type MappableThread, threadMadeMs } from "./thread-map.js";

const MAX_THREADS = 256;

/** A thread as the app-server has told of it so far. */
export type Thread = Omit<ThreadFacts, "status"> & {
  /** `unread`: it was named, nothing more. */
  readonly status: ThreadStatus | "unread";
  /** When the status was announced, in milliseconds since the epoch; undefined if it was only read. */
  readonly statusAt: number | undefined;
  readonly port: number | undefined;
  /** Goes up with every status. */
  readonly version: number;
};

export function isBusy(status: string | undefined): boolean {
  return status === "active" || status === "waiting_approval" || status === "waiting_input";
}

function isLoaded(status: Thread["status"]): boolean {
  return status !== "unread" && status !== "not_loaded";
}

/** The threads of one app-server; bounded. */
export class ThreadTable {
  readonly #threads = new Map<string, Thread>();

  get(id: string | undefined): Thread | undefined {
    return id === undefined ? undefined : this.#threads.get(id);
  }

  /** Those that a terminal may show. */
  mappable(): MappableThread[] {
    return [...this.#threads.values()]
      .filter((thread) => !thread.hidden)
      .map((thread) => ({ ...thread, loaded: isLoaded(thread.status) }));
  }

  /** Takes an announced status. True: the thread was loaded just now, so its terminal is not known. */
  announce(id: string, status: ThreadStatus, at: number | undefined, nowMs: number): boolean {
    const known = this.#threads.get(id) ?? unread(id);
    const loadedNow = !isLoaded(known.status) && status !== "not_loaded";
    const begins = loadedNow || (!isBusy(known.status) && isBusy(status));
    this.#set({
      ...known,
      status,
      statusAt: at,
      version: known.version + 1,
      shownSince: begins ? Math.max(known.shownSince, at ?? nowMs) : known.shownSince,
      port: loadedNow || status === "not_loaded" ? undefined : known.port,
    });
    return loadedNow;
  }

  /** Takes what was read of a thread. A reading that only confirms is no new status. */
  keep(facts: ThreadFacts): void {
    const known = this.#threads.get(facts.id);
    const same = known?.status === facts.status;
    this.#set({
      ...facts,
      shownSince: Math.max(known?.shownSince ?? 0, facts.shownSince),
      statusAt: same ? known.statusAt : undefined,
      version: (known?.version ?? 0) + (same ? 0 : 1),
      port: known?.port,
    });
  }

  setPort(id: string, port: number | undefined): void {
    const known = this.#threads.get(id);
    if (known !== undefined) this.#threads.set(id, { ...known, port });
  }

  rename(id: string, name: string): void {
    const known = this.#threads.get(id);
    if (known !== undefined) this.#threads.set(id, { ...known, name });
  }

  delete(id: string): void {
    this.#threads.delete(id);
  }

  clear(): void {
    this.#threads.clear();
  }

  #set(thread: Thread): void {
    // The least recently touched comes first, and goes first.
    this.#threads.delete(thread.id);
    this.#threads.set(thread.id, thread);
    if (this.#threads.size <= MAX_THREADS) return;
    for (const id of this.#threads.keys()) {
      this.#threads.delete(id);
      break;
    }
  }
}

function unread(id: string): Thread {
  const unknown = { name: "", hidden: false, statusAt: undefined, port: undefined, version: 0 };
  return { ...unknown, id, status: "unread", shownSince: threadMadeMs(id) };
}
