import type { History } from "../client/history.js";
import { foldAt, stepsByWatcher } from "./steps.js";

/** What a history gave the validators to judge: a promise that nothing tried to break was not kept. */
export interface Coverage {
  /** Connections with a cursor of the live stream that were continued. */
  readonly resumed: number;
  /** Connections with an earlier life's cursor. */
  readonly reset: number;
  /** How often what a watcher believed could be held against what was read at that sequence. */
  readonly compared: number;
  readonly duplicates: number;
  readonly taken: number;
  readonly messages: number;
  readonly unanswered: number;
}

export function coverage(history: History): Coverage {
  const cursors = new Map(history.of("open").map(({ connection, cursor }) => [connection, cursor]));
  let resumed = 0;
  let reset = 0;
  for (const { connection, message } of history.of("message")) {
    const cursor = cursors.get(connection) ?? "";
    cursors.delete(connection);
    if (cursor === "") continue;
    if (message.type === "reset") reset += 1;
    else resumed += 1;
  }
  const results = history.of("answer").flatMap((answer) => answer.results);
  return {
    resumed,
    reset,
    compared: comparisons(history),
    duplicates: results.filter(({ status }) => status === "duplicate").length,
    taken: results.filter(({ status }) => status === "accepted" || status === "pending").length,
    messages: history.of("message").length,
    unanswered: history.of("unanswered").length,
  };
}

function comparisons(history: History): number {
  const reads = history.of("read");
  const streams = [...stepsByWatcher(history).values()].flatMap((steps) => [
    ...Map.groupBy(steps, ({ message }) => message.streamId),
  ]);
  return streams.flatMap(([streamId, steps]) =>
    reads.filter((read) => read.streamId === streamId && foldAt(steps, read.sequence) !== undefined),
  ).length;
}
