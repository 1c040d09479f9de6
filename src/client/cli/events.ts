import { type Event, EventService, type ListEventsResponse } from "../../../gen/agtmux/v1/event_pb.js";
import type { Context } from "./context.js";
import { fact, type JsonObject, time } from "./json.js";
import { tableView } from "./list.js";
import { printable, safeJson } from "./printable.js";
import { wholeNumber } from "./read-options.js";
import { resolveRef } from "./resolve-ref.js";
import { textTable } from "./text-table.js";
import { channelWord, rfc3339, sourceWord } from "./words.js";

export interface EventsOptions {
  readonly runtime?: string | undefined;
  readonly pane?: string | undefined;
  readonly action?: string | undefined;
  readonly limit?: string | undefined;
  readonly json?: boolean | undefined;
}

const MOST = 1_000;
/** A runtime's id is shown by its first characters; `--json` has all of it. */
const SHORT_ID = 12;

function eventJson(event: Event): JsonObject {
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(event.attributes))
    attributes[printable(name)] = printable(value);
  return {
    event_id: event.eventId,
    runtime_id: event.runtimeId,
    event_type: printable(event.eventType),
    agent_type: printable(event.agentType),
    source: sourceWord(event.source),
    ...fact("channel", event.channel),
    ...time("event_time", event.eventTime),
    ...time("effective_at", event.effectiveAt),
    ...time("ingested_at", event.ingestedAt),
    spooled: event.spooled,
    late: event.late,
    ...fact("transition", printable(event.transition)),
    attributes,
    ...fact("action_id", event.actionId),
  };
}

export function eventsJson(answer: ListEventsResponse): JsonObject {
  return {
    schema_version: answer.schemaVersion,
    ...time("generated_at", answer.generatedAt),
    items: answer.events.map(eventJson),
    ...fact("next_page_token", answer.nextPageToken),
  };
}

/** `agtmux events` */
export async function events(context: Context, options: EventsOptions): Promise<void> {
  const { io } = context;
  const limit = wholeNumber("--limit", options.limit, MOST);
  const filter = {
    actionId: options.action ?? "",
    runtimeId: (options.runtime ?? "").replace(/^runtime:/, ""),
    paneRef: options.pane === undefined ? "" : await resolveRef(context, options.pane),
  };
  const answer = await context.client(EventService).listEvents({ filter, limit });
  if (options.json) {
    io.stdout.write(`${safeJson(eventsJson(answer), 2)}\n`);
    return;
  }
  if (answer.events.length === 0) {
    io.stdout.write("No events.\n");
    return;
  }
  const view = await tableView(io, answer);
  const columns = [
    { title: "TIME", min: 24, shrink: 0 },
    { title: "RUNTIME", min: 12, shrink: 0 },
    { title: "AGENT", min: 6, shrink: 0 },
    { title: "SOURCE", min: 8, shrink: 1 },
    { title: "EVENT", min: 8, shrink: 3 },
    { title: "MEANS", min: 8, shrink: 5 },
  ];
  const rows = answer.events.map((event) => [
    { text: event.effectiveAt === undefined ? "" : rfc3339(event.effectiveAt) },
    { text: printable(event.runtimeId).slice(0, SHORT_ID) },
    { text: printable(event.agentType) },
    { text: printable(channelWord(event.source, event.channel)) },
    { text: printable(event.eventType) },
    { text: printable(event.transition) || "-" },
  ]);
  io.stdout.write(`${textTable(columns, rows, view, view.palette.header).join("\n")}\n`);
}
