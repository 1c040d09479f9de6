import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Event,
  type EventFilter,
  EventSchema,
  type EventService,
  ListEventsResponseSchema,
  WatchEventsResponseSchema,
} from "../../../gen/agtmux/v1/event_pb.js";
import { parseRef } from "../actions/ref.js";
import { invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import type { Journal } from "../ingest/journal.js";
import type { EventQuery, EventRecord } from "../store/event-store.js";
import type { Store } from "../store/store.js";
import { SOURCE_TO_WIRE, timestamp, timestampMicros } from "../watch/rows.js";
import { eventQueue } from "./event-queue.js";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
const HEARTBEAT_MS = 15_000;

interface Parts {
  readonly store: Store;
  readonly journal: Journal;
  readonly now: () => Micros;
  /** Aborted when the daemon drains. */
  readonly closing: AbortSignal;
}

function micros(time: Timestamp | undefined): Micros | undefined {
  return time === undefined ? undefined : timestampMicros(time);
}

function message(event: EventRecord): Event {
  const attributes = Object.entries(event.transition?.attributes ?? {});
  return create(EventSchema, {
    eventId: event.eventId,
    runtimeId: event.runtimeId,
    eventType: event.eventType,
    agentType: event.agentType,
    source: SOURCE_TO_WIRE[event.source],
    channel: event.channel,
    eventTime: timestamp(event.eventTime),
    effectiveAt: timestamp(event.effectiveTime),
    ingestedAt: timestamp(event.ingestedAt),
    spooled: event.spooled,
    late: event.late,
    transition: event.transition?.kind ?? "",
    attributes: Object.fromEntries(attributes.map(([name, value]) => [name, String(value)])),
    actionId: event.actionId ?? "",
  });
}

function pageToken(event: EventRecord): string {
  return `${event.ingestedAt}:${event.eventId}`;
}

function parsePageToken(token: string): EventQuery["before"] {
  const match = /^(\d{1,16}):([0-9a-f-]{36})$/u.exec(token);
  if (match?.[1] === undefined || match[2] === undefined)
    throw invalidArgument("page_token", "is not one that was given");
  return { ingestedAt: Number(match[1]), eventId: match[2] };
}

export function eventService({ store, journal, now, closing }: Parts): ServiceImpl<typeof EventService> {
  /** The runtimes that a filter leaves; undefined: all. */
  const runtimeOf = (filter: EventFilter | undefined): string | undefined => {
    if (filter?.runtimeId) return filter.runtimeId;
    if (!filter?.paneRef) return undefined;
    const ref = parseRef(filter.paneRef);
    if (ref.kind === "runtime") return ref.runtimeId;
    for (const { record } of journal.runtimes()) {
      if (record.targetId === ref.target && record.paneId === ref.paneId) return record.runtimeId;
    }
    return "";
  };

  return {
    listEvents(request) {
      const { filter, limit } = request;
      if (limit < 0 || limit > MAX_LIMIT) throw invalidArgument("limit", `must be from 0 to ${MAX_LIMIT}`);
      const wanted = limit === 0 ? DEFAULT_LIMIT : limit;
      const events = store.events.list({
        runtimeId: runtimeOf(filter),
        actionId: filter?.actionId || undefined,
        since: micros(filter?.since),
        until: micros(filter?.until),
        before: request.pageToken === "" ? undefined : parsePageToken(request.pageToken),
        limit: wanted + 1,
      });
      const page = events.slice(0, wanted);
      const last = page.at(-1);
      return create(ListEventsResponseSchema, {
        schemaVersion: 1,
        generatedAt: timestamp(now()),
        events: page.map(message),
        nextPageToken: events.length > wanted && last !== undefined ? pageToken(last) : "",
      });
    },
    async *watchEvents(request, context) {
      const runtimeId = runtimeOf(request.filter);
      const actionId = request.filter?.actionId || undefined;
      const queue = eventQueue<EventRecord>(HEARTBEAT_MS, AbortSignal.any([context.signal, closing]));
      const stop = journal.onCommit((commit) => {
        for (const event of commit.events) {
          if (runtimeId !== undefined && event.runtimeId !== runtimeId) continue;
          if (actionId === undefined || event.actionId === actionId) queue.push(event);
        }
      });
      try {
        const head = (): { schemaVersion: number; emittedAt: Timestamp } => ({
          schemaVersion: 1,
          emittedAt: timestamp(now()),
        });
        yield create(WatchEventsResponseSchema, head());
        for await (const events of queue) {
          yield create(WatchEventsResponseSchema, { ...head(), events: events.map(message) });
        }
      } finally {
        stop();
      }
    },
  };
}
