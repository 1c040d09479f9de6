import { randomUUID } from "node:crypto";
import { type EventEnvelope, SignalSource } from "../../src/client/index.js";

/** An envelope as a client may write it: plain data, nothing required. */
export type EnvelopeFields = Partial<Omit<EventEnvelope, "$typeName" | "$unknown" | "tmux">> & {
  tmux?: { socketPath?: string; serverPid?: bigint };
};

/** Now, in nanoseconds since the epoch, by the clock that the daemon reads. */
export function nowNs(): bigint {
  return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n;
}

/** An event as a hook of Claude Code would send it now; it says nothing of where it comes from. */
export function hookEvent(
  eventType: string,
  payload: unknown = {},
  more: EnvelopeFields = {},
): EnvelopeFields {
  return {
    eventId: randomUUID(),
    eventType,
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTimeUnixNs: nowNs(),
    eventTimeResolutionNs: 1n,
    rawPayload: payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload)),
    ...more,
  };
}
