import { create } from "@bufbuild/protobuf";
import {
  type Agtmux,
  type EventEnvelope,
  EventEnvelopeSchema,
  IngestStatus,
  SignalSource,
} from "../../../src/client/index.js";
import type { AnswerStatus, AskedEvent, History } from "../client/history.js";
import type { Random } from "./random.js";

const KINDS = ["UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest", "Stop"] as const;
/** How many of the newest events may be sent once more. */
const REMEMBERED = 40;

const STATUS: Partial<Record<IngestStatus, AnswerStatus>> = {
  [IngestStatus.ACCEPTED]: "accepted",
  [IngestStatus.DUPLICATE]: "duplicate",
  [IngestStatus.PENDING_BIND]: "pending",
  [IngestStatus.DROPPED]: "dropped",
  [IngestStatus.REJECTED]: "rejected",
};

/** A UUID made of the seed's choices. */
export function eventId(random: Random): string {
  const word = (length: number): string =>
    Array.from({ length }, () => random.between(0, 15).toString(16)).join("");
  return `${word(8)}-${word(4)}-4${word(3)}-8${word(3)}-${word(12)}`;
}

/** A hook's event of the agent with that pid, as its script would send it. */
export function hookEvent(agentPid: number, random: Random): EventEnvelope {
  const eventType = random.pick(KINDS) ?? "Stop";
  return create(EventEnvelopeSchema, {
    eventId: eventId(random),
    eventType,
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTimeUnixNs: BigInt(Date.now()) * 1_000_000n,
    eventTimeResolutionNs: 1_000_000n,
    parentPids: [BigInt(agentPid)],
    rawPayload: Buffer.from(
      JSON.stringify({ hook_event_name: eventType, session_id: `s-${agentPid}`, tool_name: "Bash" }),
    ),
  });
}

export function asked({ eventId: id, dedupeKey }: EventEnvelope): AskedEvent {
  return { eventId: id, dedupeKey: dedupeKey === "" ? id : dedupeKey };
}

/**
 * A crowd of hooks. Besides new events it sends known ones again, in any order and twice in one batch, and the same
 * event under another id, as a sender does that keeps nothing but its dedupe key. A batch that got no answer is sent to
 * the next life just as it was.
 */
export class Hooks {
  readonly #unanswered: EventEnvelope[][] = [];
  readonly #sent: EventEnvelope[] = [];

  constructor(
    private readonly agentPids: readonly number[],
    private readonly history: History,
    private readonly random: Random,
  ) {}

  get unanswered(): number {
    return this.#unanswered.length;
  }

  /** Sends batches, one after the other, until the daemon no longer answers or `stop` says so. */
  async send(client: Agtmux, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const events = this.#unanswered.pop() ?? this.#batch();
      if (!(await this.#post(client, events))) return;
    }
  }

  #batch(): EventEnvelope[] {
    const { random } = this;
    const fresh = Array.from({ length: random.between(1, 4) }, () => {
      const event = hookEvent(random.pick(this.agentPids) ?? 0, random);
      return random.chance(0.3) ? { ...event, dedupeKey: `key-${event.eventId}` } : event;
    });
    this.#sent.push(...fresh);
    this.#sent.splice(0, this.#sent.length - REMEMBERED);
    if (random.chance(0.6)) return fresh;
    const again = random.shuffled(this.#sent).slice(0, random.between(1, 6));
    const renamed = again
      .filter(({ dedupeKey }) => dedupeKey !== "" && random.chance(0.5))
      .map((event) => ({ ...event, eventId: eventId(random) }));
    return random.shuffled([...fresh, ...again, ...renamed]);
  }

  async #post(client: Agtmux, events: EventEnvelope[]): Promise<boolean> {
    const call = this.history.number();
    this.history.add({ kind: "ask", call, events: events.map(asked) });
    try {
      const { results } = await client.ingest.ingestEvents({ events });
      const told = results.map(({ eventId: id, status }) => ({
        eventId: id,
        status: STATUS[status] ?? "rejected",
      }));
      this.history.add({ kind: "answer", call, results: told });
      return true;
    } catch (error) {
      // Whether these were taken is not known, so they are sent again.
      this.history.add({ kind: "unanswered", call, error: String(error) });
      this.#unanswered.push(events);
      return false;
    }
  }
}
