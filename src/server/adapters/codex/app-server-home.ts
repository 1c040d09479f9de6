import { field } from "../../payload.js";
import type { AgentHost, RuntimeView } from "../contract.js";
import { AppServerError } from "./app-server-connection.js";
import { AppServerLink } from "./app-server-link.js";
import {
  readLoaded,
  readName,
  readStatus,
  readTerminalPort,
  readThread,
  readTurnEnd,
  threadId,
} from "./app-server-messages.js";
import { mapThreads, threadMadeMs } from "./thread-map.js";
import { ThreadTable } from "./thread-table.js";
import { ThreadWords } from "./thread-words.js";

/** As long as `completed` stands (docs/spec.md 5): a turn that ended earlier is of no more interest. */
const COMPLETED_STANDS_MS = 120_000;
/** How soon a terminal without a thread is looked for again. A new one gets its thread within a second. */
const SEARCH_MS = { first: 100, longest: 10_000 };
const RESYNC_MS = 30_000;
/** Most threads whose terminal is asked for at a time, newest first. */
const MAX_SEARCHED = 32;

function malformed(what: string): AppServerError {
  return new AppServerError("malformed", `${what} has another shape than the one known`);
}

function isRefusal(error: unknown): boolean {
  return error instanceof AppServerError && error.failure === "refused";
}

/** Follows the app-server of one CODEX_HOME, and tells each terminal's runtime what its thread does. */
export class AppServerHome {
  readonly #link: AppServerLink;
  readonly #threads = new ThreadTable();
  readonly #words: ThreadWords;
  /** Loopback ports of each runtime's process. */
  readonly #ports = new Map<string, readonly number[]>();
  #views: readonly RuntimeView[] = [];
  #titleAt = 0;
  /** Thread of each runtime. */
  #mapped = new Map<string, string>();
  #search: NodeJS.Timeout | undefined;
  #searchMs = SEARCH_MS.first;
  #searching = false;
  #searchAgain = false;
  #resyncAt = 0;
  #closed = false;

  constructor(
    codexHome: string,
    private readonly host: AgentHost,
    private readonly degraded: (message: string | undefined) => void,
  ) {
    this.#words = new ThreadWords(host, this.#threads, (id, live) => this.#turnEnd(id, live));
    this.#link = new AppServerLink(codexHome, host, {
      onOpen: () => {
        this.#resyncAt = this.#nowMs();
        this.#searchSoon();
      },
      onNotification: (method, params, at) => this.#notified(method, params, at),
      onDown: (error) => this.#down(error),
    });
  }

  /** The terminals of this home. */
  update(views: readonly RuntimeView[]): void {
    const before = new Set(this.#views.map((view) => view.runtimeId));
    const present = new Set(views.map((view) => view.runtimeId));
    this.#views = views;
    this.#titleAt = this.#nowMs();
    for (const id of this.#ports.keys()) if (!present.has(id)) this.#ports.delete(id);
    this.#words.retain(present);
    this.#map();
    if (views.some((view) => !before.has(view.runtimeId))) this.#searchSoon();
  }

  /** Whether the app-server tells what this runtime does. */
  speaksFor(runtimeId: string): boolean {
    return this.#mapped.has(runtimeId);
  }

  /** Every half minute: read what may have been missed. */
  tick(): void {
    if (this.#link.connection === undefined || this.#nowMs() - this.#resyncAt < RESYNC_MS) return;
    this.#resyncAt = this.#nowMs();
    for (const id of new Set(this.#mapped.values())) this.#resync(id).catch((error) => this.#failed(error));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#search);
    this.#words.close();
    this.#link.close();
  }

  #nowMs(): number {
    return this.host.now() / 1_000;
  }

  /** The app-server's word no longer counts. */
  #down(error: AppServerError): void {
    clearTimeout(this.#search);
    this.#threads.clear();
    this.#mapped.clear();
    for (const view of this.#views) this.#words.withdraw(view);
    // Without an app-server (--no-daemon, or before its first start) nothing is missing.
    this.degraded(error.failure === "absent" ? undefined : error.message);
  }

  #failed(error: unknown): void {
    // A thread may be closed between its naming and the question about it.
    if (this.#closed || isRefusal(error)) return;
    this.#link.drop(error instanceof AppServerError ? error : new AppServerError("closed", String(error)));
  }

  #notified(method: string, params: unknown, at: number | undefined): void {
    const id = threadId(field(params, "threadId"));
    if (method === "thread/started") this.#started(params);
    else if (method === "thread/status/changed") this.#statusChanged(id, field(params, "status"), at);
    else if (method === "thread/name/updated" && id !== undefined) {
      this.#threads.rename(id, readName(field(params, "threadName")));
      this.#map();
    } else if (method === "thread/closed" && id !== undefined) {
      this.#threads.delete(id);
      this.#map();
    }
  }

  #started(params: unknown): void {
    const facts = readThread(field(params, "thread"));
    if (facts === undefined) {
      this.#failed(malformed("thread/started"));
      return;
    }
    this.#threads.keep(facts);
    if (!facts.hidden) this.#searchSoon();
  }

  #statusChanged(id: string | undefined, value: unknown, at: number | undefined): void {
    const status = readStatus(value);
    if (id === undefined || status === undefined) {
      this.#failed(malformed("thread/status/changed"));
      return;
    }
    const loadedNow = this.#threads.announce(id, status, at, this.#nowMs());
    this.#map();
    if (loadedNow) this.#searchSoon();
  }

  /** Reads a thread's state; a turn that still runs is said again. */
  async #resync(id: string): Promise<void> {
    await this.#read(id);
    this.#map(id);
  }

  async #read(id: string): Promise<void> {
    const version = this.#threads.get(id)?.version;
    const facts = readThread(field(await this.#link.call("thread/read", { threadId: id }), "thread"));
    if (facts === undefined) throw malformed("thread/read");
    // What was announced meanwhile is newer.
    if (this.#threads.get(id)?.version === version) this.#threads.keep(facts);
  }

  /** Looks for the terminals of all threads now, and again until every terminal has one. */
  #searchSoon(): void {
    this.#searchMs = SEARCH_MS.first;
    if (this.#searching) this.#searchAgain = true;
    else void this.#searchNow();
  }

  async #searchNow(): Promise<void> {
    if (this.#closed || this.#link.connection === undefined) return;
    clearTimeout(this.#search);
    this.#searching = true;
    this.#searchAgain = false;
    try {
      await this.#findTerminals();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#searching = false;
    }
    if (this.#searchAgain) return this.#searchNow();
    if (!this.#views.some((view) => this.#lacksThread(view))) return;
    this.#search = setTimeout(() => void this.#searchNow(), this.#searchMs);
    this.#searchMs = Math.min(this.#searchMs * 2, SEARCH_MS.longest);
  }

  #lacksThread(view: RuntimeView): boolean {
    return !this.#mapped.has(view.runtimeId) && !view.argv.includes("--no-daemon");
  }

  /** Asks for the threads, and for the terminal of each that none of ours shows. */
  async #findTerminals(): Promise<void> {
    const { connection } = this.#link;
    const loaded = readLoaded(await this.#link.call("thread/loaded/list", {}));
    if (loaded === undefined) throw malformed("thread/loaded/list");
    const shown = new Set(this.#mapped.values());
    const others = loaded.filter((id) => !shown.has(id)).sort((a, b) => threadMadeMs(b) - threadMadeMs(a));
    for (const id of others.slice(0, MAX_SEARCHED)) {
      await this.#findTerminal(id).catch((error: unknown) => {
        if (!isRefusal(error)) throw error;
      });
    }
    for (const view of this.#views) {
      if (this.#mapped.has(view.runtimeId)) continue;
      this.#ports.set(view.runtimeId, await this.host.loopbackPorts(view.agentPid));
    }
    if (this.#closed || this.#link.connection !== connection) return;
    this.degraded(undefined);
    this.#map();
    for (const view of this.#views) if (!this.#mapped.has(view.runtimeId)) this.#words.withdraw(view);
  }

  async #findTerminal(id: string): Promise<void> {
    const status = this.#threads.get(id)?.status ?? "unread";
    if (status === "unread" || status === "not_loaded") await this.#read(id);
    if (this.#threads.get(id)?.hidden !== false) return;
    // Without the server's name Codex would connect to all of the user's MCP servers anew.
    const asked = { threadId: id, serverName: "codex_tui", detail: "toolsAndAuthOnly" };
    this.#threads.setPort(id, readTerminalPort(await this.#link.call("mcpServerStatus/list", asked)));
  }

  /** Finds out again which terminal shows what, and says what is news; of `refreshed`, also what still holds. */
  #map(refreshed?: string): void {
    const titleAt = this.#titleAt;
    const terminals = this.#views.map(({ runtimeId, title }) => {
      return { runtimeId, title, titleAt, ports: this.#ports.get(runtimeId) ?? [] };
    });
    const before = this.#mapped;
    this.#mapped = mapThreads(this.#threads.mappable(), terminals);
    for (const view of this.#views) {
      const thread = this.#threads.get(this.#mapped.get(view.runtimeId));
      if (thread !== undefined) this.#words.say(view, thread, thread.id === refreshed);
      else if (before.has(view.runtimeId)) {
        this.#words.withdraw(view);
        this.#searchSoon();
      }
    }
  }

  async #turnEnd(id: string, live: boolean): Promise<string> {
    try {
      const asked = { threadId: id, limit: 1, sortDirection: "desc", itemsView: "notLoaded" };
      const turn = readTurnEnd(await this.#link.call("thread/turns/list", asked));
      if (turn === undefined || turn.end === "open") return "";
      if (live || turn.end === "interrupted") return turn.end;
      const fresh = this.#nowMs() - turn.endedAt < COMPLETED_STANDS_MS;
      return turn.end === "completed" && fresh ? turn.end : "none";
    } catch (error) {
      this.#failed(error);
      // Before its first prompt a thread has no turns to list.
      return isRefusal(error) && !live ? "none" : "";
    }
  }
}
