import { join } from "node:path";
import type { AdapterSubscription, AgentHost, RuntimeView } from "../contract.js";
import { AppServerHome } from "./app-server-home.js";
import { TitleBeats } from "./title-beats.js";

/** Everything that Codex's terminals and their app-servers tell on one host: one connection per CODEX_HOME. */
class CodexFeeds implements AdapterSubscription {
  /** CODEX_HOME of each runtime; absent while it is being read. */
  readonly #homeOf = new Map<string, string>();
  readonly #reading = new Set<string>();
  readonly #homes = new Map<string, AppServerHome>();
  readonly #faults = new Map<string, string>();
  readonly #beats: TitleBeats;
  #views: readonly RuntimeView[] = [];
  #closed = false;

  constructor(private readonly host: AgentHost) {
    this.#beats = new TitleBeats(host, (id) => this.#isHeard(id));
  }

  update(runtimes: readonly RuntimeView[]): void {
    this.#views = runtimes;
    this.#beats.update(runtimes);
    const present = new Set(runtimes.map((view) => view.runtimeId));
    for (const id of this.#homeOf.keys()) if (!present.has(id)) this.#homeOf.delete(id);
    for (const view of runtimes) {
      if (!this.#homeOf.has(view.runtimeId) && !this.#reading.has(view.runtimeId)) void this.#findHome(view);
    }
    this.#share();
  }

  tick(): void {
    for (const home of this.#homes.values()) home.tick();
  }

  close(): void {
    this.#closed = true;
    for (const home of this.#homes.values()) home.close();
    this.#homes.clear();
  }

  #isHeard(runtimeId: string): boolean {
    return this.#homes.get(this.#homeOf.get(runtimeId) ?? "")?.speaksFor(runtimeId) ?? false;
  }

  async #findHome(view: RuntimeView): Promise<void> {
    this.#reading.add(view.runtimeId);
    try {
      const environment = await this.host.environment(view.agentPid, ["CODEX_HOME", "HOME"]);
      const home = environment?.["HOME"] || (await this.host.home());
      this.#homeOf.set(view.runtimeId, environment?.["CODEX_HOME"] || join(home, ".codex"));
    } catch (error) {
      this.host.degraded("app_server", `cannot tell the home of process ${view.agentPid}: ${String(error)}`);
    } finally {
      this.#reading.delete(view.runtimeId);
    }
    this.#share();
  }

  /** Gives each home its terminals. */
  #share(): void {
    if (this.#closed) return;
    const views = Map.groupBy(this.#views, (view) => this.#homeOf.get(view.runtimeId) ?? "");
    views.delete("");
    for (const [directory, home] of this.#homes) {
      if (views.has(directory)) continue;
      home.close();
      this.#homes.delete(directory);
      this.#fault(directory, undefined);
    }
    for (const [directory, own] of views) {
      let home = this.#homes.get(directory);
      if (home === undefined) {
        home = new AppServerHome(directory, this.host, (message) => this.#fault(directory, message));
        this.#homes.set(directory, home);
      }
      home.update(own);
    }
  }

  /** The channel works if it works for every home. */
  #fault(directory: string, message: string | undefined): void {
    if (message === undefined) this.#faults.delete(directory);
    else this.#faults.set(directory, message);
    const [first] = this.#faults.values();
    this.host.degraded("app_server", first);
  }
}

export function subscribeCodex(host: AgentHost): AdapterSubscription {
  return new CodexFeeds(host);
}
