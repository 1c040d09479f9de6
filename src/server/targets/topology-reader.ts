import { isDeepStrictEqual } from "node:util";
import type { Micros } from "../engine/state.js";
import { type AnsweredTopology, askTopology, NO_SERVER, type Topology } from "../tmux/topology.js";
import { parseTmuxVersion, supportsTmux, type TmuxVersion } from "../tmux/version.js";
import type { Executor } from "./executor.js";

export interface ReaderSettings {
  readonly fullTopologyEveryMs: number;
}

/** One complete reading of a target's tmux server. */
export interface Reading {
  /** The very object of the reading before, if nothing differs. */
  readonly topology: Topology;
  /** The tmux found, if it is too old to be watched; the topology is empty then. */
  readonly unsupported: string | undefined;
  /** Panes came, went, moved or were restarted since the reading before. */
  readonly moved: boolean;
}

/**
 * Reads a target's topology, the costly fields of it only when something moved and every few seconds. Keeps what the
 * cheap readings leave out.
 */
export class TopologyReader {
  #known: Topology | undefined;
  /** The last cheap reading that says what `#known` says; undefined if none does yet. */
  #cheap: AnsweredTopology | undefined;
  #socketPath = "";
  #binaryChecked = false;
  #lastFull: Micros = 0;
  #shape = "";
  #last: Topology | undefined;

  constructor(
    private readonly executor: Executor,
    private readonly now: () => Micros,
    private readonly settings: ReaderSettings,
  ) {}

  /** Path of the tmux server's socket, as the server names it; '' while unknown. */
  get socketPath(): string {
    return this.#socketPath;
  }

  /** Throws ExecutorError. */
  async read(): Promise<Reading> {
    const tooOld = await this.#binaryTooOld();
    if (tooOld !== undefined) return this.#reading(NO_SERVER, tooOld);
    const topology = await this.#readComplete();
    await this.#learnSocket(topology);
    // The server that runs may be another version than the binary.
    const version = topology.version === undefined ? undefined : parseTmuxVersion(`tmux ${topology.version}`);
    const unsupported = oldVersion(version);
    return this.#reading(
      unsupported === undefined ? topology : { ...topology, sessions: [], rows: [], panes: [] },
      unsupported,
    );
  }

  #reading(topology: Topology, unsupported: string | undefined): Reading {
    if (topology === this.#last) return { topology, unsupported, moved: false };
    this.#last = topology;
    const places = topology.rows.map((row) => [row.paneId, row.panePid, row.windowId, row.sessionName]);
    const shape = JSON.stringify(places);
    const moved = shape !== this.#shape;
    this.#shape = shape;
    return { topology, unsupported, moved };
  }

  async #readComplete(): Promise<Topology> {
    const now = this.now();
    const fresh = now - this.#lastFull < this.settings.fullTopologyEveryMs * 1_000;
    if (this.#known !== undefined && fresh) {
      const cheap = await askTopology(this.executor, true, this.#cheap);
      if (cheap === this.#cheap) return this.#known;
      const merged = mergeCosts(cheap.topology, this.#known);
      if (merged !== undefined) {
        this.#cheap = cheap;
        if (!isDeepStrictEqual(merged, this.#known)) this.#known = merged;
        return this.#known;
      }
    }
    const { topology } = await askTopology(this.executor, false);
    this.#lastFull = now;
    if (this.#known === undefined || !isDeepStrictEqual(topology, this.#known)) {
      this.#known = topology;
      this.#cheap = undefined;
    }
    return this.#known;
  }

  /** A tmux too old to be asked anything else still tells its version. Asked until it is new enough. */
  async #binaryTooOld(): Promise<string | undefined> {
    if (this.#binaryChecked) return undefined;
    const { stdout } = await this.executor.run(["-V"]);
    const tooOld = oldVersion(parseTmuxVersion(stdout.trim()));
    this.#binaryChecked = tooOld === undefined;
    return tooOld;
  }

  async #learnSocket(topology: Topology): Promise<void> {
    if (topology.bootId === undefined || this.#socketPath !== "") return;
    const { stdout } = await this.executor.run(["display-message", "-p", "#{socket_path}"]);
    this.#socketPath = stdout.trim();
  }
}

/** The version's text if it is too old to be watched; a text that names no version is taken as new. */
function oldVersion(version: TmuxVersion | undefined): string | undefined {
  return version !== undefined && !supportsTmux(version) ? version.text : undefined;
}

/**
 * Completes a cheap reading with what was last known; undefined if some pane is new, restarted or moved, so that the
 * costly fields must be read.
 */
function mergeCosts(topology: Topology, known: Topology): Topology | undefined {
  const last = new Map(known.panes.map((pane) => [pane.paneId, pane]));
  const complete = <T extends { paneId: string; panePid: number }>(row: T): T | undefined => {
    const before = last.get(row.paneId);
    if (before === undefined || before.panePid !== row.panePid) return undefined;
    return { ...row, currentCommand: before.currentCommand, currentPath: before.currentPath };
  };
  const panes = topology.panes.map(complete);
  const rows = topology.rows.map(complete);
  if (panes.includes(undefined) || rows.includes(undefined) || topology.bootId !== known.bootId)
    return undefined;
  const present = <T>(row: T | undefined): row is T => row !== undefined;
  return { ...topology, panes: panes.filter(present), rows: rows.filter(present) };
}
