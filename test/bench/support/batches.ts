import type { EventEnvelope } from "../../../src/client/index.js";
import type { Crowd } from "./crowd.js";

export const BATCH = 100;
export const CLIENTS = 4;

/**
 * Batches for several clients. Each client speaks for agents of its own, so that every agent's events come in the
 * order in which they were made: that is how hooks come, one process after the other.
 */
export function batchSource({ voices }: Crowd): (client: number) => EventEnvelope[] {
  return (client) => {
    const own = voices.filter((_, index) => index % CLIENTS === client);
    const share = Math.ceil(BATCH / own.length);
    return own.flatMap((voice) => voice.next(share)).slice(0, BATCH);
  };
}
