import type { BoundEvent, Transition } from "../engine/event.js";
import type { Fold, Json } from "../engine/fold.js";
import type { Micros, Source } from "../engine/state.js";

/** First line of an event log. */
export const HEADER = { format: "agtmux-event-log", version: 1 } as const;

/** One runtime of an event log, as its line holds it. */
export interface LoggedRuntime {
  readonly runtimeId: string;
  readonly agentType: string;
  readonly startedAt: Micros;
  readonly base?: { readonly reducer: string; readonly fold: Fold<Json> } | undefined;
  /** What the daemon had made of it, to compare with. */
  readonly state?: Readonly<Record<string, string | number>> | undefined;
}

export type LoggedEvent = BoundEvent & { readonly runtimeId: string };

export interface EventLog {
  readonly runtimes: readonly LoggedRuntime[];
  readonly events: readonly LoggedEvent[];
}

/** A line that is not of an event log; the message begins with its number. */
export class EventLogError extends Error {
  override readonly name = "EventLogError";
}

const SOURCES = new Set(["hook", "notify", "wrapper", "native", "poller", "reconciler", "action"]);

export function runtimeLine(runtime: LoggedRuntime): string {
  return JSON.stringify({ runtime });
}

/** Only what the fold reads. */
export function eventLine(event: LoggedEvent): string {
  const { runtimeId, eventId, source, channel, eventTime, ingestedAt, effectiveTime, sourceSeq, transition } =
    event;
  return JSON.stringify({
    event: {
      runtimeId,
      eventId,
      source,
      channel,
      eventTime,
      ingestedAt,
      effectiveTime,
      sourceSeq,
      transition,
    },
  });
}

/** Reads an event log. Throws EventLogError. */
export function parseEventLog(text: string): EventLog {
  const runtimes: LoggedRuntime[] = [];
  const events: LoggedEvent[] = [];
  const [header = "", ...lines] = text.split("\n");
  const { format, version } = object(header, 1);
  if (format !== HEADER.format || version !== HEADER.version) {
    throw new EventLogError(`line 1: must be ${JSON.stringify(HEADER)}`);
  }
  lines.forEach((line, index) => {
    if (line === "") return;
    const number = index + 2;
    const { runtime, event } = object(line, number);
    if (isRecord(runtime)) runtimes.push(loggedRuntime(runtime, number));
    else if (isRecord(event)) events.push(loggedEvent(event, number));
    else throw new EventLogError(`line ${number}: must have "runtime" or "event"`);
  });
  return { runtimes, events };
}

type JsonObject = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(line: string, number: number): JsonObject {
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value)) return value;
  } catch {
    // Said below: what is not JSON is not an object either.
  }
  throw new EventLogError(`line ${number}: is not a JSON object`);
}

function reader(value: JsonObject, number: number) {
  const wrong = (field: string, what: string) =>
    new EventLogError(`line ${number}: ${field} must be ${what}`);
  return {
    text(field: string): string {
      const found = value[field];
      if (typeof found !== "string") throw wrong(field, "a string");
      return found;
    },
    micros(field: string): Micros {
      const found = value[field];
      if (typeof found !== "number" || !Number.isSafeInteger(found)) throw wrong(field, "microseconds");
      return found;
    },
    wrong,
  };
}

function loggedRuntime(value: JsonObject, number: number): LoggedRuntime {
  const { text, micros } = reader(value, number);
  const { base, state } = value;
  return {
    runtimeId: text("runtimeId"),
    agentType: text("agentType"),
    startedAt: micros("startedAt"),
    // Sound as far as whoever wrote the file is honest: a base is only ever folded on, by its reducer.
    base: isRecord(base) ? (base as unknown as LoggedRuntime["base"]) : undefined,
    state: isRecord(state) ? (state as LoggedRuntime["state"]) : undefined,
  };
}

function loggedEvent(value: JsonObject, number: number): LoggedEvent {
  const { text, micros, wrong } = reader(value, number);
  const source = text("source");
  if (!SOURCES.has(source)) throw wrong("source", [...SOURCES].join(", "));
  const { transition } = value;
  if (transition !== undefined && (!isRecord(transition) || typeof transition["kind"] !== "string")) {
    throw wrong("transition", "absent or an object with a kind");
  }
  return {
    runtimeId: text("runtimeId"),
    eventId: text("eventId"),
    // Checked above.
    source: source as Source,
    channel: text("channel"),
    eventTime: micros("eventTime"),
    ingestedAt: micros("ingestedAt"),
    effectiveTime: micros("effectiveTime"),
    sourceSeq: value["sourceSeq"] === undefined ? undefined : micros("sourceSeq"),
    // Its kind is checked above; attributes are read by name and type by every reducer.
    transition: transition as Transition | undefined,
  };
}
