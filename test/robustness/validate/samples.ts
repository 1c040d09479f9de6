import { expect } from "vitest";
import { type Happening, History, type ToldMessage, type ToldRow } from "../client/history.js";

/** A history made by hand. */
export function history(...happenings: Happening[]): History {
  const made = new History();
  for (const each of happenings) made.add(each);
  return made;
}

/** Exactly one breach, and its text begins with the promise. */
export function expectBreach(breaches: readonly string[], promise: string): void {
  expect(breaches).toEqual([expect.stringMatching(new RegExp(`^${promise}: 1 times not, first `, "u"))]);
}

/** A pane's row that shows an agent which has said nothing yet. */
export function row(key: string, text: string, version = 1): ToldRow {
  const agent = { runtimeId: "r", state: "unknown", reason: "no_signal_yet", version };
  return { key, text, agent };
}

/** A message of stream `s`, unless `more` says another. */
export function told(
  type: ToldMessage["type"],
  sequence: number,
  more: Partial<ToldMessage> = {},
): ToldMessage {
  const streamId = more.streamId ?? "s";
  const message = { reason: "", coalesced: false, items: [], changes: [], ...more };
  return { type, sequence, cursor: `${streamId}:${sequence}`, ...message, streamId };
}

/** A delta that gives the pane `p` another text. */
export const change = (sequence: number, text: string, more: Partial<ToldMessage> = {}): ToldMessage =>
  told("delta", sequence, { changes: [{ key: "p", row: row("p", text) }], ...more });

/** Connections of one watcher, each with its cursor and what it received. */
export function watched(
  watcher: string,
  first: number,
  ...connections: [cursor: string, ...messages: ToldMessage[]][]
): Happening[] {
  return connections.flatMap(([cursor, ...messages], index): Happening[] => {
    const connection = first + index;
    return [
      { kind: "open", watcher, connection, cursor },
      ...messages.map((message): Happening => ({ kind: "message", watcher, connection, message })),
      { kind: "closed", connection, error: "" },
    ];
  });
}
