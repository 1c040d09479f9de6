import type { History } from "../client/history.js";
import type { Stored } from "../report/stored.js";
import { breach } from "./breach.js";

export const EXACTLY_ONCE = {
  durable: "Nothing that was answered OK is ever missing",
  once: "One event is applied once, however often and under how many ids it was sent",
  waiting: "An event that is bound does not wait any more",
  asked: "Nothing is stored that nobody sent",
  spool: "Whatever a hook left in the spool is taken, or is still there",
} as const;

/** Judges the store against what was answered. `spool` names the files that are still in the spool folder. */
export function validateExactlyOnce(
  history: History,
  stored: Stored,
  spool: ReadonlySet<string> = new Set(),
): string[] {
  const bound = new Set(stored.events.map(({ eventId }) => eventId));
  const isThere = (id: string): boolean => bound.has(id) || stored.inbox.has(id);
  const keys = new Map<string, string>();
  const ids = new Map<string, Set<string>>();
  for (const { events } of history.of("ask")) {
    for (const { eventId, dedupeKey } of events) {
      keys.set(eventId, dedupeKey);
      ids.set(dedupeKey, (ids.get(dedupeKey) ?? new Set()).add(eventId));
    }
  }
  const missing: string[] = [];
  for (const { results } of history.of("answer")) {
    for (const { eventId, status } of results) {
      if (status === "rejected" || isThere(eventId)) continue;
      const same = ids.get(keys.get(eventId) ?? "") ?? new Set();
      // Another event of its key was first; that one must be there.
      if (status === "duplicate" && [...same].some(isThere)) continue;
      missing.push(`${eventId}, answered ${status}`);
    }
  }
  const doubled = [...ids].filter(([, same]) => [...same].filter((id) => bound.has(id)).length > 1);
  const waiting = [...stored.inbox].filter(([id, { status }]) => status === "pending_bind" && bound.has(id));
  const invented = stored.events.filter(({ source, eventId }) => source === "hook" && !keys.has(eventId));
  const lost = history.of("spooled").filter(({ name, eventId }) => !isThere(eventId) && !spool.has(name));
  return [
    ...breach(EXACTLY_ONCE.durable, missing),
    ...breach(
      EXACTLY_ONCE.once,
      doubled.map(([key]) => key),
    ),
    ...breach(
      EXACTLY_ONCE.waiting,
      waiting.map(([id]) => id),
    ),
    ...breach(
      EXACTLY_ONCE.asked,
      invented.map(({ eventId }) => eventId),
    ),
    ...breach(
      EXACTLY_ONCE.spool,
      lost.map(({ name }) => name),
    ),
  ];
}
