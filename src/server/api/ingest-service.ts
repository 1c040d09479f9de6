import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { SignalSource } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type EventEnvelope,
  IngestEventsResponseSchema,
  type IngestResult,
  IngestResultSchema,
  type IngestService,
  IngestStatus,
} from "../../../gen/agtmux/v1/ingest_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import { failpoint } from "../failpoint.js";
import { type Intake, prepare } from "../ingest/envelope.js";
import type { GroupCommit } from "../ingest/group-commit.js";
import type { Journal, Outcome } from "../ingest/journal.js";
import type { PreparedEvent } from "../ingest/prepared-event.js";
import { cleanLine } from "../ingest/redact.js";

export interface IngestorParts {
  readonly journal: Journal;
  readonly commit: GroupCommit;
  /** Made anew for each batch where it must ask first. */
  readonly intake: Intake | ((envelopes: readonly EventEnvelope[]) => Promise<Intake>);
  readonly maxEvents: number;
  readonly now: () => Micros;
}

type Checked =
  // A remote event is stored under another id than it was given.
  | { readonly kind: "event"; readonly event: PreparedEvent; readonly givenId: string }
  | { readonly kind: "result"; readonly result: IngestResult };

/** Takes batches of events, each with its own result; the good ones of a batch are taken whatever the others are. */
export class Ingestor {
  constructor(private readonly parts: IngestorParts) {}

  /** Resolves once every event that is answered as taken is on disk. Rejects if the store refuses. */
  async ingest(envelopes: readonly EventEnvelope[], spooledAt?: Micros): Promise<IngestResult[]> {
    const { commit, maxEvents } = this.parts;
    if (envelopes.length > maxEvents) throw invalidArgument("events", `at most ${maxEvents} in one call`);
    const { intake: given } = this.parts;
    const intake = typeof given === "function" ? await given(envelopes) : given;
    const checked = envelopes.map((envelope) => this.#check(envelope, { ...intake, spooledAt }));
    const events = checked.flatMap((entry) => (entry.kind === "event" ? [entry.event] : []));
    const outcomes = await commit.submit(events);
    let next = 0;
    return checked.map((entry) => {
      if (entry.kind === "result") return entry.result;
      const outcome = outcomes[next++];
      if (outcome === undefined) throw new Error("a commit answered for fewer events than it was given");
      return outcomeResult(entry.givenId, outcome);
    });
  }

  #check(envelope: EventEnvelope, intake: Intake): Checked {
    const eventId = cleanLine(envelope.eventId, 64);
    try {
      const prepared = prepare(envelope, intake);
      if (prepared.kind === "event") return { ...prepared, givenId: eventId.toLowerCase() };
      const reason = "not a signal of an agent in a pane";
      return this.#refused(
        envelope,
        create(IngestResultSchema, { eventId, status: IngestStatus.DROPPED, reason }),
      );
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      const { code, message } = error;
      const result = { eventId, status: IngestStatus.REJECTED, code, reason: message };
      return this.#refused(envelope, create(IngestResultSchema, result));
    }
  }

  #refused(envelope: EventEnvelope, result: IngestResult): Checked {
    const agentType = /^[a-z0-9_-]{1,32}$/u.test(envelope.agentType) ? envelope.agentType : "(invalid)";
    const source = envelope.source === SignalSource.NOTIFY ? "notify" : "hook";
    const outcome = result.status === IngestStatus.DROPPED ? "dropped" : "rejected";
    this.parts.journal.counters.count({ agentType, source, channel: "" }, outcome, this.parts.now());
    return { kind: "result", result };
  }
}

function outcomeResult(eventId: string, outcome: Outcome): IngestResult {
  switch (outcome.kind) {
    case "accepted":
      return create(IngestResultSchema, {
        eventId,
        status: IngestStatus.ACCEPTED,
        runtimeId: outcome.runtimeId,
      });
    case "duplicate":
      return create(IngestResultSchema, { eventId, status: IngestStatus.DUPLICATE });
    case "pending":
      return create(IngestResultSchema, { eventId, status: IngestStatus.PENDING_BIND });
    case "dropped":
      return create(IngestResultSchema, { eventId, status: IngestStatus.DROPPED, reason: outcome.reason });
  }
}

export function ingestService(ingestor: Ingestor): ServiceImpl<typeof IngestService> {
  return {
    ingestEvents: async ({ events }) => {
      const results = await ingestor.ingest(events);
      failpoint("ingest.before-answer");
      return create(IngestEventsResponseSchema, { schemaVersion: 1, results });
    },
  };
}
