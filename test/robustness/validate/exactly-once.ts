import type { History } from "../client/history.js";

/** What a store holds of the events that clients sent. */
export interface Stored {
  /** Bound events by id, with how often each stands there. */
  readonly events: ReadonlyMap<string, number>;
  /** Events that wait or were dropped, by id. */
  readonly inbox: ReadonlySet<string>;
  readonly integrity: string;
  readonly foreignKeyFaults: number;
}

/** Breaches of what an answer promises; each begins with the promise. */
export function validateExactlyOnce(history: History, stored: Stored): string[] {
  const breaches: string[] = [];
  const lost = [...history.taken].filter((id) => !stored.events.has(id) && !stored.inbox.has(id));
  if (lost.length > 0) {
    breaches.push(`Nothing answered OK is ever missing: ${lost.length} events are, e.g. ${lost[0]}`);
  }
  const twice = [...stored.events].filter(([, count]) => count > 1);
  if (twice.length > 0)
    breaches.push(`Nothing is applied twice: ${twice.length} events are, e.g. ${twice[0]?.[0]}`);
  const asked = new Set(history.asked);
  const invented = [...stored.events.keys()].filter((id) => !asked.has(id));
  if (invented.length > 0) breaches.push(`Nothing is stored that nobody sent: ${invented.length} events are`);
  if (stored.integrity !== "ok")
    breaches.push(`The database passes its integrity check: ${stored.integrity}`);
  if (stored.foreignKeyFaults > 0)
    breaches.push(`No row names one that is not there: ${stored.foreignKeyFaults} do`);
  return breaches;
}
