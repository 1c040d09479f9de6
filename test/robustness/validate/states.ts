import { isDeepStrictEqual } from "node:util";
import { replay } from "../model/replay.js";
import type { Stored } from "../report/stored.js";
import { breach } from "./breach.js";

export const STATES = {
  fold: "A stored state is the fold of its runtime's stored events",
  version: "state_version never goes down",
  kept: "A runtime, an event or a state that was stored is never gone",
  one: "A pane has at most one active runtime",
  integrity: "The database passes SQLite's integrity check",
  foreignKeys: "No row names one that is not there",
} as const;

/** Judges what a database holds by itself, and against what it held after an earlier life. */
export function validateStates(stored: Stored, before?: Stored): string[] {
  const model = replay(
    stored.runtimes.filter(({ active }) => active),
    stored.events,
  );
  const other: string[] = [];
  for (const [runtimeId, { status, promptId }] of model) {
    const found = stored.states.get(runtimeId);
    if (isDeepStrictEqual(found?.status, status) && found?.promptId === promptId) continue;
    other.push(`${runtimeId} is ${JSON.stringify(found)}, its events make ${JSON.stringify(status)}`);
  }
  const { integrity = "ok", foreignKeyFaults = 0 } = stored;
  return [
    ...breach(STATES.fold, other),
    ...breach(STATES.one, crowded(stored)),
    ...(before === undefined ? [] : validateKept(stored, before)),
    ...breach(STATES.integrity, integrity === "ok" ? [] : [integrity]),
    ...breach(STATES.foreignKeys, foreignKeyFaults === 0 ? [] : [`${foreignKeyFaults} rows`]),
  ];
}

function crowded({ runtimes }: Stored): string[] {
  const active = runtimes.filter(({ active }) => active);
  const panes = Map.groupBy(active, ({ target, paneId }) => `${target} ${paneId}`);
  return [...panes].filter(([, here]) => here.length > 1).map(([pane]) => pane);
}

function validateKept(stored: Stored, before: Stored): string[] {
  const fallen = [...before.states].filter(
    ([runtimeId, { version }]) => (stored.states.get(runtimeId)?.version ?? version) < version,
  );
  const events = new Set(stored.events.map(({ eventId }) => eventId));
  const runtimes = new Set(stored.runtimes.map(({ runtimeId }) => runtimeId));
  const gone = [
    ...before.events.filter(({ eventId }) => !events.has(eventId)).map(({ eventId }) => eventId),
    ...before.runtimes.filter(({ runtimeId }) => !runtimes.has(runtimeId)).map(({ runtimeId }) => runtimeId),
    ...[...before.states.keys()].filter((runtimeId) => !stored.states.has(runtimeId)),
  ];
  const words = fallen.map(
    ([runtimeId, { version }]) => `${runtimeId} from ${version} to ${stored.states.get(runtimeId)?.version}`,
  );
  return [...breach(STATES.version, words), ...breach(STATES.kept, gone)];
}
