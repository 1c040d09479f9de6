import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type Agtmux,
  type EventEnvelope,
  EventEnvelopeSchema,
  IngestStatus,
  SignalSource,
} from "../../../src/client/index.js";
import type { Answer, History } from "../client/history.js";

const KINDS = ["UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest", "Stop"] as const;

const STATUS: Partial<Record<IngestStatus, Answer["status"]>> = {
  [IngestStatus.ACCEPTED]: "accepted",
  [IngestStatus.DUPLICATE]: "duplicate",
  [IngestStatus.PENDING_BIND]: "pending",
  [IngestStatus.DROPPED]: "dropped",
  [IngestStatus.REJECTED]: "rejected",
};

/** A hook's event of the agent with that pid, as its script would send it. */
export function hookEvent(agentPid: number, index: number): EventEnvelope {
  const eventType = KINDS[index % KINDS.length] ?? "Stop";
  return create(EventEnvelopeSchema, {
    eventId: randomUUID(),
    eventType,
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTimeUnixNs: BigInt(Date.now()) * 1_000_000n,
    eventTimeResolutionNs: 1_000_000n,
    parentPids: [BigInt(agentPid)],
    rawPayload: Buffer.from(
      JSON.stringify({ hook_event_name: eventType, session_id: "s", tool_name: "Bash" }),
    ),
  });
}

/**
 * Sends batches, one after the other, until the daemon no longer answers. A batch that got no answer is kept: a client
 * sends the very same events again to the next life, as hooks do from their spool.
 */
export async function sendHooks(
  client: Agtmux,
  agentPid: number,
  history: History,
  round: number,
  unanswered: EventEnvelope[][],
): Promise<void> {
  for (let index = 0; ; index += 1) {
    const again = unanswered.pop();
    const size = 1 + (index % 4);
    const events = again ?? Array.from({ length: size }, (_, offset) => hookEvent(agentPid, index + offset));
    if (again === undefined) history.asked.push(...events.map(({ eventId }) => eventId));
    try {
      const { results } = await client.ingest.ingestEvents({ events });
      for (const { eventId, status } of results) {
        history.answers.push({ eventId, round, status: STATUS[status] ?? "rejected" });
      }
    } catch {
      // The daemon was killed: whether these were taken is not known, so they are sent again.
      unanswered.push(events);
      return;
    }
  }
}
