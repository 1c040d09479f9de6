import { digestWords } from "./identity.js";
import type { Source } from "./state.js";

export interface DedupeFacts {
  readonly eventId: string;
  readonly source: Source;
  readonly sourceEventId: string;
  readonly eventType: string;
  readonly payload: Uint8Array;
}

/**
 * The dedupe key of an event that brings none. A notify program is run anew for every retry and so has a fresh
 * event id each time; everything else keeps its id in retries and in the spool.
 */
export function defaultDedupeKey(facts: DedupeFacts): string {
  if (facts.source !== "notify") return facts.eventId;
  const payload = Buffer.from(facts.payload).toString("base64");
  return digestWords([facts.source, facts.sourceEventId, facts.eventType, payload]);
}
