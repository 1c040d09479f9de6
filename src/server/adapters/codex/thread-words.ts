import { setTimeout as sleep } from "node:timers/promises";
import type { AgentHost, NativeSignal, RuntimeView } from "../contract.js";
import { isBusy, type Thread, type ThreadTable } from "./thread-table.js";

/** Between a turn and a queued one the thread is idle for some 20 ms; an idle that lasts is one that is meant. */
const IDLE_SETTLES_MS = 120;

/** What was last said of a runtime. */
interface Said {
  readonly threadId: string;
  readonly status: string;
  readonly version: number;
  readonly time: number;
}

/** Turns the state of the thread that a terminal shows into signals of its runtime: each once, in order. */
export class ThreadWords {
  readonly #said = new Map<string, Said>();
  /** The thread that each runtime shows now. */
  readonly #shown = new Map<string, string>();
  /** Idle threads that are being asked how their turn ended, by runtime. */
  readonly #settling = new Map<string, string>();
  #closed = false;

  constructor(
    private readonly host: Pick<AgentHost, "now" | "emit" | "look">,
    private readonly threads: ThreadTable,
    /** '' if it cannot be told. `live`: the end was heard, not found. */
    private readonly turnEnd: (threadId: string, live: boolean) => Promise<string>,
  ) {}

  /** Forgets runtimes that are gone. */
  retain(runtimeIds: ReadonlySet<string>): void {
    for (const id of this.#said.keys()) if (!runtimeIds.has(id)) this.#said.delete(id);
    for (const id of this.#shown.keys()) if (!runtimeIds.has(id)) this.#shown.delete(id);
  }

  close(): void {
    this.#closed = true;
  }

  /** Says what is news. `refresh`: a running turn is said again, as a sign of life. */
  say(view: RuntimeView, thread: Thread, refresh: boolean): void {
    const { runtimeId } = view;
    this.#shown.set(runtimeId, thread.id);
    const said = this.#said.get(runtimeId);
    const other = said?.threadId !== thread.id;
    const again = refresh && thread.status === "active";
    if (!other && said.version === thread.version && !again) return;
    if (thread.status === "idle") void this.#sayIdle(runtimeId, thread, !other && isBusy(said.status));
    else if (again || other || said.status !== thread.status) this.#emit(runtimeId, thread, "");
  }

  /** Takes back what was said of a runtime, by this or an earlier life of the daemon. */
  withdraw(view: RuntimeView): void {
    this.#shown.delete(view.runtimeId);
    const said = this.#said.get(view.runtimeId);
    if (said?.status === "gone" || (said === undefined && view.agentSessionId === "")) return;
    const time = Math.max(this.host.now(), (said?.time ?? 0) + 1);
    this.#said.set(view.runtimeId, { threadId: "", status: "gone", version: 0, time });
    this.host.emit([signal(view.runtimeId, "gone", "", time, undefined)]);
  }

  /** An idle thread: waits for a queued turn to begin, then asks how the last one ended. */
  async #sayIdle(runtimeId: string, thread: Thread, live: boolean): Promise<void> {
    const key = `${thread.id} ${thread.version}`;
    if (this.#settling.get(runtimeId) === key) return;
    this.#settling.set(runtimeId, key);
    const holds = (): boolean =>
      !this.#closed &&
      this.#settling.get(runtimeId) === key &&
      this.#shown.get(runtimeId) === thread.id &&
      this.threads.get(thread.id)?.version === thread.version;
    try {
      if (live) await sleep(IDLE_SETTLES_MS);
      if (!holds()) return;
      const end = await this.turnEnd(thread.id, live);
      // The screen may tell what the app-server does not; both are folded together.
      if (end === "" && holds()) await this.host.look(runtimeId);
      if (holds()) this.#emit(runtimeId, thread, end);
    } finally {
      if (this.#settling.get(runtimeId) === key) this.#settling.delete(runtimeId);
    }
  }

  #emit(runtimeId: string, thread: Thread, end: string): void {
    const { id: threadId, status, version, statusAt } = thread;
    const before = this.#said.get(runtimeId);
    const announced = before?.threadId === threadId && before.version !== version ? statusAt : undefined;
    const at = announced === undefined ? this.host.now() : announced * 1_000;
    // Readings and announcements come in the order in which they hold; their clocks must not undo it.
    const time = Math.max(Math.round(at), (before?.time ?? 0) + 1);
    this.#said.set(runtimeId, { threadId, status, version, time });
    this.host.emit([signal(runtimeId, status, end, time, threadId)]);
  }
}

function signal(
  runtimeId: string,
  status: string,
  end: string,
  time: number,
  agentSessionId: string | undefined,
): NativeSignal {
  return {
    runtimeId,
    source: "native",
    channel: "app_server",
    eventType: "thread_status",
    eventTime: time,
    resolution: 1_000,
    dedupeKey: `${agentSessionId ?? ""}:${status}:${end}:${time}`,
    transition: { kind: "thread_status", attributes: { status, end } },
    agentSessionId,
  };
}
