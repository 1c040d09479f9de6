import type { History, ToldMessage } from "../client/history.js";

/** A message of one watcher, and the cursor with which its connection was opened if it is the first of that. */
export interface Step {
  readonly message: ToldMessage;
  readonly opened?: string | undefined;
}

/** Every watcher's messages, in the order in which it received them. */
export function stepsByWatcher(history: History): Map<string, Step[]> {
  const cursors = new Map(history.of("open").map(({ connection, cursor }) => [connection, cursor]));
  const watchers = new Map<string, Step[]>();
  for (const { watcher, connection, message } of history.of("message")) {
    const steps = watchers.get(watcher) ?? [];
    steps.push({ message, opened: cursors.get(connection) });
    cursors.delete(connection);
    watchers.set(watcher, steps);
  }
  return watchers;
}

/**
 * What a watcher believed at a sequence; undefined if it had no snapshot yet, or if its messages do not show what lay
 * exactly there: it heard nothing after, or a merged delta spans it.
 */
export function foldAt(steps: readonly Step[], at: number): Map<string, string> | undefined {
  let rows: Map<string, string> | undefined;
  for (const { message } of steps) {
    if (message.type === "reset") continue;
    if (message.sequence > at) return message.coalesced || message.type === "snapshot" ? undefined : rows;
    if (message.type === "snapshot") rows = new Map(message.items.map(({ key, text }) => [key, text]));
    for (const { key, row } of message.changes) {
      if (row === undefined) rows?.delete(key);
      else rows?.set(key, row.text);
    }
    // Told of exactly this sequence: what comes after cannot change it.
    if (message.sequence === at && message.type !== "snapshot") return rows;
  }
  return undefined;
}
