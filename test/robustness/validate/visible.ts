import type { History, ToldAgent } from "../client/history.js";
import type { Stored } from "../report/stored.js";
import { breach } from "./breach.js";

export const VISIBLE = {
  state: "Only after a commit is a change visible: the store knows every state that was shown",
  event: "Only after a commit is an event visible: the store knows every event that was told",
} as const;

/** Judges what was shown against the store of a daemon that was killed at any time after it. */
export function validateVisible(history: History, stored: Stored): string[] {
  const ahead: string[] = [];
  for (const { runtimeId, version, state, reason } of shown(history)) {
    const found = stored.states.get(runtimeId);
    const isOlder = found === undefined || found.version < version;
    const isOther =
      found?.version === version && (found.status.state !== state || found.status.reason !== reason);
    if (isOlder || isOther) {
      const word = found === undefined ? "nothing" : `${found.status.state} at version ${found.version}`;
      ahead.push(`${runtimeId} was shown ${state}/${reason} at version ${version}, the store has ${word}`);
    }
  }
  const events = new Set(stored.events.map(({ eventId }) => eventId));
  const unknown = history.of("events").flatMap(({ eventIds }) => eventIds.filter((id) => !events.has(id)));
  return [...breach(VISIBLE.state, ahead), ...breach(VISIBLE.event, unknown)];
}

function shown(history: History): ToldAgent[] {
  const rows = [
    ...history.of("read").flatMap((read) => read.rows),
    ...history
      .of("message")
      .flatMap(({ message }) => [...message.items, ...message.changes.flatMap(({ row }) => row ?? [])]),
  ];
  return rows.flatMap(({ agent }) => agent ?? []);
}
