import { equals } from "@bufbuild/protobuf";
import {
  type Pane,
  PaneSchema,
  type Session,
  SessionSchema,
  type Window,
  WindowSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { Topology } from "../tmux/topology.js";
import type { LinkRow, SessionRow } from "../tmux/topology-row.js";
import { type AgentOf, paneKey, TargetRows } from "./target-rows.js";

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

/** What is shown of one target, by key. A row object is never changed once made. */
interface Shown {
  readonly rows: TargetRows;
  readonly panes: Map<string, Pane>;
  readonly windows: Map<string, Window>;
  readonly sessions: Map<string, Session>;
}

const NOTHING: ViewChange = { panes: [], windows: [], sessions: [] };

const samePane = (a: Pane, b: Pane): boolean => equals(PaneSchema, a, b);
const sameWindow = (a: Window, b: Window): boolean => equals(WindowSchema, a, b);
const sameSession = (a: Session, b: Session): boolean => equals(SessionSchema, a, b);

/** What every list shows now: the rows of all targets. */
export class View {
  readonly #targets = new Map<string, Shown>();

  constructor(private readonly agentOf: AgentOf) {}

  /** Takes a new reading of a target's tmux. Returns what differs. */
  refresh(target: string, topology: Topology): ViewChange {
    const known = this.#targets.get(target);
    // Most readings show what the last one showed; what agents do comes by `update`.
    if (known !== undefined && sameTopology(known.rows.topology, topology)) return NOTHING;
    const rows = new TargetRows(target, topology, this.agentOf);
    const shown: Shown = { rows, panes: rows.panes(), windows: rows.windows(), sessions: rows.sessions() };
    this.#targets.set(target, shown);
    return {
      panes: diff(known?.panes, shown.panes, samePane),
      windows: diff(known?.windows, shown.windows, sameWindow),
      sessions: diff(known?.sessions, shown.sessions, sameSession),
    };
  }

  /** Makes the rows of some panes anew, with the windows and sessions in which they count. Returns what differs. */
  update(target: string, paneIds: Iterable<string>): ViewChange {
    const shown = this.#targets.get(target);
    if (shown === undefined) return NOTHING;
    const { rows } = shown;
    const panes = new Map<string, Pane>();
    const changed: string[] = [];
    for (const paneId of paneIds) {
      const pane = rows.paneNow(paneId);
      if (pane === undefined) continue;
      const before = shown.panes.get(paneKey(pane));
      if (before !== undefined && samePane(before, pane)) continue;
      rows.replace(paneId, pane);
      panes.set(paneKey(pane), pane);
      changed.push(paneId);
    }
    const windows = new Map(changed.flatMap((paneId) => [...rows.windowsOf(paneId)]));
    const sessions = new Map(changed.flatMap((paneId) => [...rows.sessionsOf(paneId)]));
    return {
      panes: put(shown.panes, panes, samePane),
      windows: put(shown.windows, windows, sameWindow),
      sessions: put(shown.sessions, sessions, sameSession),
    };
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
    return [...this.#targets.values()].flatMap(({ panes }) => [...panes.values()]);
  }

  windows(): Window[] {
    return [...this.#targets.values()].flatMap(({ windows }) => [...windows.values()]);
  }

  sessions(): Session[] {
    return [...this.#targets.values()].flatMap(({ sessions }) => [...sessions.values()]);
  }
}

/** Compares two pictures; a row that is the same stays the same object. */
function diff<T>(
  before: ReadonlyMap<string, T> = new Map(),
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

/** Puts some rows in the place of those of the same key. */
function put<T>(
  into: Map<string, T>,
  rows: ReadonlyMap<string, T>,
  same: (a: T, b: T) => boolean,
): RowChange<T>[] {
  const changes: RowChange<T>[] = [];
  for (const [key, after] of rows) {
    const before = into.get(key);
    if (before !== undefined && same(before, after)) continue;
    into.set(key, after);
    changes.push({ before, after });
  }
  return changes;
}

function sameTopology(a: Topology, b: Topology): boolean {
  return (
    a.bootId === b.bootId &&
    sameRows(a.sessions, b.sessions) &&
    sameRows<LinkRow>(a.rows, b.rows, "windowActivity")
  );
}

/** Whether two lists of rows say the same, field by field; `but` is in no list that is shown. */
function sameRows<T extends SessionRow | LinkRow>(a: readonly T[], b: readonly T[], but?: keyof T): boolean {
  return (
    a.length === b.length &&
    a.every((row, index) => {
      const other = b[index];
      if (other === undefined) return false;
      for (const field in row) if (field !== but && row[field] !== other[field]) return false;
      return true;
    })
  );
}
