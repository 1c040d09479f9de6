import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  ChangeOp,
  type Pane,
  type Session,
  type WatchChange,
  WatchChangeSchema,
  type WatchItem,
  WatchItemSchema,
  WatchScope,
  type Window,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { Matcher } from "./filter.js";
import type { LogEntry } from "./log.js";
import type { RowChange, View } from "./view.js";

type ItemInit = NonNullable<MessageInitShape<typeof WatchItemSchema>["item"]>;
type IdentityInit = NonNullable<MessageInitShape<typeof WatchChangeSchema>["identity"]>;

/** How the rows of one scope are read off the view and the log. */
interface Rows<T> {
  all(view: View): readonly T[];
  changes(entry: LogEntry): readonly RowChange<T>[];
  matches(matcher: Matcher, row: T): boolean;
  item(row: T, observedAt: Timestamp): ItemInit;
  identity(row: T): IdentityInit;
  key(row: T): string;
}

/** The row as a message carries it: what pins a look is the message's own time. */
export function observed(pane: Pane, observedAt: Timestamp): Pane {
  return pane.observation === undefined
    ? pane
    : { ...pane, observation: { ...pane.observation, observedAt } };
}

const panes: Rows<Pane> = {
  all: (view) => view.panes(),
  changes: (entry) => entry.panes,
  matches: (matcher, row) => matcher.pane(row),
  item: (row, observedAt) => ({ case: "pane", value: observed(row, observedAt) }),
  identity: (row) => ({ case: "pane", value: row.identity ?? {} }),
  key: ({ identity: id }) => `${id?.target}\u0000${id?.sessionName}\u0000${id?.windowId}\u0000${id?.paneId}`,
};

const windows: Rows<Window> = {
  all: (view) => view.windows(),
  changes: (entry) => entry.windows,
  matches: (matcher, row) => matcher.window(row),
  item: (row) => ({ case: "window", value: row }),
  identity: (row) => ({ case: "window", value: row.identity ?? {} }),
  key: ({ identity: id }) => `${id?.target}\u0000${id?.sessionName}\u0000${id?.windowId}`,
};

const sessions: Rows<Session> = {
  all: (view) => view.sessions(),
  changes: (entry) => entry.sessions,
  matches: (matcher, row) => matcher.session(row),
  item: (row) => ({ case: "session", value: row }),
  identity: (row) => ({ case: "session", value: row.identity ?? {} }),
  key: ({ identity: id }) => `${id?.target}\u0000${id?.sessionName}`,
};

/** One scope, with its row type closed over. */
export interface Scope {
  items(view: View, matcher: Matcher, observedAt: Timestamp): WatchItem[];
  /** What a watcher with this filter must be told of an entry. */
  changes(entry: LogEntry, matcher: Matcher, observedAt: Timestamp): WatchChange[];
}

function scope<T>(rows: Rows<T>): Scope {
  return {
    items: (view, matcher, observedAt) =>
      rows
        .all(view)
        .filter((row) => rows.matches(matcher, row))
        .map((row) => create(WatchItemSchema, { item: rows.item(row, observedAt) })),
    changes(entry, matcher, observedAt) {
      const merged = new Map<string, RowChange<T>>();
      // A row that went and came back has two changes in a merged entry.
      for (const { before, after } of rows.changes(entry)) {
        const row = after ?? before;
        if (row === undefined) continue;
        const key = rows.key(row);
        const first = merged.get(key);
        merged.set(key, { before: first === undefined ? before : first.before, after });
      }
      const made: WatchChange[] = [];
      for (const { before, after } of merged.values()) {
        const shown = after !== undefined && rows.matches(matcher, after);
        if (shown) {
          const item = create(WatchItemSchema, { item: rows.item(after, observedAt) });
          made.push(create(WatchChangeSchema, { op: ChangeOp.UPSERT, identity: rows.identity(after), item }));
        } else if (before !== undefined && rows.matches(matcher, before)) {
          made.push(create(WatchChangeSchema, { op: ChangeOp.DELETE, identity: rows.identity(before) }));
        }
      }
      // Deletes first: a rename is the old identity's delete and the new one's upsert in one message.
      return made.sort((a, b) => Number(a.op === ChangeOp.UPSERT) - Number(b.op === ChangeOp.UPSERT));
    },
  };
}

/** UNSPECIFIED means panes. Undefined: a number that nobody knows. */
export function scopeOf(value: WatchScope): Scope | undefined {
  switch (value) {
    case WatchScope.UNSPECIFIED:
    case WatchScope.PANES:
      return scope(panes);
    case WatchScope.WINDOWS:
      return scope(windows);
    case WatchScope.SESSIONS:
      return scope(sessions);
    default:
      return undefined;
  }
}
