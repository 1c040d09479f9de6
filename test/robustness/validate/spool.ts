import type { History } from "../client/history.js";
import type { Stored } from "../report/stored.js";
import { breach } from "./breach.js";

export const SPOOL = {
  order: "A spool is taken in the order of its events' times",
  bound: "What waited in the inbox is bound in the order in which it was taken",
} as const;

/** Judges the order in which spooled events were taken; that each is taken once is `validateExactlyOnce`'s. */
export function validateSpool(history: History, stored: Stored): string[] {
  const places = new Map(stored.events.map(({ eventId }, place) => [eventId, place]));
  const times = new Map(stored.events.map(({ eventId, ingestedAt }) => [eventId, ingestedAt]));
  const names = history
    .of("spooled")
    .map(({ name, eventId }) => ({
      name,
      place: places.get(eventId),
      ingestedAt: times.get(eventId) ?? stored.inbox.get(eventId)?.ingestedAt,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    ...breach(
      SPOOL.order,
      descents(names, ({ ingestedAt }) => ingestedAt),
    ),
    ...breach(
      SPOOL.bound,
      descents(names, ({ place }) => place),
    ),
  ];
}

/** Names whose value lies before that of an earlier name; those without a value are left out. */
function descents<T extends { readonly name: string }>(
  files: readonly T[],
  value: (file: T) => number | undefined,
): string[] {
  const out: string[] = [];
  let highest = Number.NEGATIVE_INFINITY;
  for (const file of files) {
    const at = value(file);
    if (at === undefined) continue;
    if (at < highest) out.push(file.name);
    highest = Math.max(highest, at);
  }
  return out;
}
