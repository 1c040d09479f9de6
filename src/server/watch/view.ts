import { create, equals } from "@bufbuild/protobuf";
import {
  type Pane,
  PaneSchema,
  type Session,
  SessionSchema,
  type Window,
  WindowSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import { NO_SERVER, type Topology } from "../tmux/topology.js";
import type { SessionRow } from "../tmux/topology-row.js";
import { rollup } from "./rollup.js";
import { type AgentFacts, paneRow } from "./rows.js";

/** One row before and after; a row that came has no before, one that went no after. */
export interface RowChange<T> {
  readonly before?: T | undefined;
  readonly after?: T | undefined;
}

export interface ViewChange {
  readonly panes: readonly RowChange<Pane>[];
  readonly windows: readonly RowChange<Window>[];
  readonly sessions: readonly RowChange<Session>[];
}

/** All rows of one target, by their key. Rows are never changed once made. */
interface TargetRows {
  readonly topology: Topology;
  readonly panes: ReadonlyMap<string, Pane>;
  readonly windows: ReadonlyMap<string, Window>;
  readonly sessions: ReadonlyMap<string, Session>;
}

/** Looks up what runs in a pane. */
export type AgentOf = (target: string, paneId: string) => AgentFacts | undefined;

/** A row's identity as one word; what has another identity is another row. */
function paneKey(pane: Pane): string {
  const id = pane.identity;
  return `${id?.sessionName}\u0000${id?.windowId}\u0000${id?.paneId}`;
}

function buildRows(target: string, topology: Topology, agentOf: AgentOf): TargetRows {
  const byPaneId = new Map<string, Pane>();
  for (const row of topology.panes) {
    byPaneId.set(row.paneId, paneRow(target, topology.bootId ?? "", row, agentOf(target, row.paneId)));
  }
  const windows = new Map<string, Window>();
  const windowPanes = new Map<
    string,
    { name: string; index: number; session: string; id: string; panes: Pane[] }
  >();
  const sessionPanes = new Map<string, Map<string, Pane>>();
  for (const link of topology.rows) {
    const pane = byPaneId.get(link.paneId);
    if (pane === undefined) continue;
    const key = `${link.sessionName}\u0000${link.windowId}`;
    const window = windowPanes.get(key) ?? {
      name: link.windowName,
      index: link.windowIndex,
      session: link.sessionName,
      id: link.windowId,
      panes: [],
    };
    if (!window.panes.includes(pane)) window.panes.push(pane);
    windowPanes.set(key, window);
    const panes = sessionPanes.get(link.sessionId) ?? new Map<string, Pane>();
    panes.set(link.paneId, pane);
    sessionPanes.set(link.sessionId, panes);
  }
  for (const [key, window] of windowPanes) {
    const identity = { target, sessionName: window.session, windowId: window.id };
    const { name, index } = window;
    windows.set(
      key,
      create(WindowSchema, { identity, windowName: name, windowIndex: index, rollup: rollup(window.panes) }),
    );
  }
  const sessions = new Map<string, Session>();
  for (const session of topology.sessions) {
    sessions.set(
      session.sessionName,
      sessionRow(target, session, [...(sessionPanes.get(session.sessionId)?.values() ?? [])]),
    );
  }
  const panes = new Map([...byPaneId.values()].map((pane) => [paneKey(pane), pane]));
  return { topology, panes, windows, sessions };
}

function sessionRow(target: string, session: SessionRow, panes: Pane[]): Session {
  return create(SessionSchema, {
    identity: { target, sessionName: session.sessionName },
    sessionId: session.sessionId,
    windows: session.windows,
    attached: session.sessionAttached,
    rollup: rollup(panes),
  });
}

function diff<T>(
  before: ReadonlyMap<string, T>,
  after: Map<string, T>,
  same: (a: T, b: T) => boolean,
): RowChange<T>[] {
  const changes: RowChange<T>[] = [];
  for (const [key, row] of before) if (!after.has(key)) changes.push({ before: row });
  for (const [key, row] of after) {
    const old = before.get(key);
    if (old === undefined) changes.push({ after: row });
    else if (same(old, row)) after.set(key, old);
    else changes.push({ before: old, after: row });
  }
  return changes;
}

/** What every list shows now: the rows of all targets, rebuilt for a target when something of it changed. */
export class View {
  #targets = new Map<string, TargetRows>();

  constructor(private readonly agentOf: AgentOf) {}

  /** Rebuilds a target's rows; `topology` as last read unless given. Returns what differs. */
  refresh(target: string, topology?: Topology): ViewChange {
    const known = this.#targets.get(target);
    const next = buildRows(target, topology ?? known?.topology ?? NO_SERVER, this.agentOf);
    const panes = new Map(next.panes);
    const windows = new Map(next.windows);
    const sessions = new Map(next.sessions);
    const change: ViewChange = {
      panes: diff(known?.panes ?? new Map(), panes, (a, b) => equals(PaneSchema, a, b)),
      windows: diff(known?.windows ?? new Map(), windows, (a, b) => equals(WindowSchema, a, b)),
      sessions: diff(known?.sessions ?? new Map(), sessions, (a, b) => equals(SessionSchema, a, b)),
    };
    this.#targets.set(target, { topology: next.topology, panes, windows, sessions });
    return change;
  }

  /** Takes a target's rows away. */
  remove(target: string): ViewChange {
    const known = this.#targets.get(target);
    this.#targets.delete(target);
    const gone = <T>(rows: ReadonlyMap<string, T> | undefined): RowChange<T>[] =>
      [...(rows?.values() ?? [])].map((before) => ({ before }));
    return { panes: gone(known?.panes), windows: gone(known?.windows), sessions: gone(known?.sessions) };
  }

  panes(): Pane[] {
    return [...this.#targets.values()].flatMap((rows) => [...rows.panes.values()]);
  }

  windows(): Window[] {
    return [...this.#targets.values()].flatMap((rows) => [...rows.windows.values()]);
  }

  sessions(): Session[] {
    return [...this.#targets.values()].flatMap((rows) => [...rows.sessions.values()]);
  }
}
