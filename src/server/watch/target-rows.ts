import { create } from "@bufbuild/protobuf";
import {
  type Pane,
  type Session,
  SessionSchema,
  type Window,
  WindowSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { Topology } from "../tmux/topology.js";
import type { LinkRow, SessionRow } from "../tmux/topology-row.js";
import { rollup } from "./rollup.js";
import { type AgentFacts, paneRow } from "./rows.js";

/** Looks up what runs in a pane. */
export type AgentOf = (target: string, paneId: string) => AgentFacts | undefined;

/** A window as linked into one session. */
interface WindowPlace {
  readonly link: LinkRow;
  readonly paneIds: Set<string>;
}

interface SessionPlace {
  readonly row: SessionRow;
  readonly paneIds: Set<string>;
}

/** The rows that one reading of a target's tmux makes, and which pane counts in which window and session. */
export class TargetRows {
  readonly #panes = new Map<string, Pane>();
  readonly #windows = new Map<string, WindowPlace>();
  readonly #sessions = new Map<string, SessionPlace>();
  readonly #links = new Map<string, LinkRow[]>();
  readonly #rows: ReadonlyMap<string, Topology["panes"][number]>;

  constructor(
    private readonly target: string,
    readonly topology: Topology,
    private readonly agentOf: AgentOf,
  ) {
    this.#rows = new Map(topology.panes.map((row) => [row.paneId, row]));
    for (const row of topology.panes) this.#panes.set(row.paneId, this.#pane(row));
    for (const row of topology.sessions) this.#sessions.set(row.sessionId, { row, paneIds: new Set() });
    for (const link of topology.rows) {
      if (!this.#panes.has(link.paneId)) continue;
      const key = windowKey(link.sessionName, link.windowId);
      const window = this.#windows.get(key) ?? { link, paneIds: new Set() };
      window.paneIds.add(link.paneId);
      this.#windows.set(key, window);
      this.#sessions.get(link.sessionId)?.paneIds.add(link.paneId);
      const links = this.#links.get(link.paneId) ?? [];
      links.push(link);
      this.#links.set(link.paneId, links);
    }
  }

  /** A pane's row as it is now; undefined if the reading has no such pane. */
  paneNow(paneId: string): Pane | undefined {
    const row = this.#rows.get(paneId);
    return row === undefined ? undefined : this.#pane(row);
  }

  /** Counts with `pane` in the place of the one that was there. */
  replace(paneId: string, pane: Pane): void {
    this.#panes.set(paneId, pane);
  }

  panes(): Map<string, Pane> {
    return new Map([...this.#panes.values()].map((pane) => [paneKey(pane), pane]));
  }

  windows(): Map<string, Window> {
    return new Map([...this.#windows].map(([key, place]) => [key, this.#window(place)]));
  }

  sessions(): Map<string, Session> {
    return new Map(
      [...this.#sessions.values()].map((place) => [place.row.sessionName, this.#session(place)]),
    );
  }

  /** The windows in which a pane counts, by key. */
  windowsOf(paneId: string): Map<string, Window> {
    const windows = new Map<string, Window>();
    for (const link of this.#links.get(paneId) ?? []) {
      const key = windowKey(link.sessionName, link.windowId);
      const place = this.#windows.get(key);
      if (place !== undefined) windows.set(key, this.#window(place));
    }
    return windows;
  }

  /** The sessions in which a pane counts, by name. */
  sessionsOf(paneId: string): Map<string, Session> {
    const sessions = new Map<string, Session>();
    for (const { sessionId } of this.#links.get(paneId) ?? []) {
      const place = this.#sessions.get(sessionId);
      if (place !== undefined) sessions.set(place.row.sessionName, this.#session(place));
    }
    return sessions;
  }

  #pane(row: Topology["panes"][number]): Pane {
    return paneRow(this.target, this.topology.bootId ?? "", row, this.agentOf(this.target, row.paneId));
  }

  #window({ link, paneIds }: WindowPlace): Window {
    return create(WindowSchema, {
      identity: { target: this.target, sessionName: link.sessionName, windowId: link.windowId },
      windowName: link.windowName,
      windowIndex: link.windowIndex,
      rollup: rollup(this.#of(paneIds)),
    });
  }

  #session({ row, paneIds }: SessionPlace): Session {
    return create(SessionSchema, {
      identity: { target: this.target, sessionName: row.sessionName },
      sessionId: row.sessionId,
      windows: row.windows,
      attached: row.sessionAttached,
      rollup: rollup(this.#of(paneIds)),
    });
  }

  #of(paneIds: ReadonlySet<string>): Pane[] {
    return [...paneIds].flatMap((paneId) => this.#panes.get(paneId) ?? []);
  }
}

function windowKey(sessionName: string, windowId: string): string {
  return `${sessionName}\u0000${windowId}`;
}

/** A row's identity as one word; what has another identity is another row. */
export function paneKey(pane: Pane): string {
  const id = pane.identity;
  return `${id?.sessionName}\u0000${id?.windowId}\u0000${id?.paneId}`;
}
