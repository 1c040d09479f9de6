import type { AnyAdapter } from "../adapters/contract.js";
import { emptyFold, refold } from "../engine/fold.js";
import type { Micros, Status } from "../engine/state.js";
import { stateHash } from "../engine/state-hash.js";
import { reducerName } from "../ingest/live-runtime.js";
import type { LogReader } from "../store/log-reader.js";
import { type EventLog, eventLine, HEADER, type LoggedRuntime, runtimeLine } from "./event-log.js";

/** What replaying made of one runtime. */
export interface Replayed {
  readonly runtimeId: string;
  readonly agentType: string;
  readonly events: number;
  readonly status: Status;
  /** Fields in which the state that the log holds differs; undefined if it holds none. */
  readonly differs?: readonly string[] | undefined;
}

/** Writes the event log of a database, or of one runtime in it, line by line. */
export function* exportLog(reader: LogReader, runtimeId = ""): Generator<string> {
  yield JSON.stringify(HEADER);
  for (const runtime of reader.runtimes(runtimeId)) {
    const { state, ...facts } = runtime;
    yield runtimeLine({ ...facts, state: state && { ...state.status } });
    for (const event of reader.events(runtime.runtimeId)) yield eventLine(event);
  }
}

/**
 * Folds an event log anew, whatever the order of its lines. Throws if it has a runtime of an agent that no adapter
 * knows.
 */
export function replay(log: EventLog, adapterOf: (agentType: string) => AnyAdapter | undefined): Replayed[] {
  return log.runtimes.map((runtime) => {
    const adapter = adapterOf(runtime.agentType);
    if (adapter === undefined) throw new Error(`no adapter for ${runtime.agentType}`);
    const events = [
      ...new Map(
        log.events
          .filter(({ runtimeId }) => runtimeId === runtime.runtimeId)
          .map((event) => [event.eventId, event]),
      ).values(),
    ];
    const base = runtime.base?.reducer === reducerName(adapter) ? runtime.base.fold : undefined;
    const start = base ?? emptyFold(adapter.reducer, runtime.startedAt);
    const { status } = refold(start, events, adapter.reducer);
    const { runtimeId, agentType } = runtime;
    return { runtimeId, agentType, events: events.length, status, differs: differences(runtime, status) };
  });
}

function differences({ state }: LoggedRuntime, status: Status): string[] | undefined {
  if (state === undefined) return undefined;
  const { dialog: _, ...plain } = status;
  return Object.entries(plain)
    .filter(([field, value]) => state[field] !== value)
    .map(([field]) => field);
}

/** One line for each runtime and one for the hash of all, as JSON. */
export function replayLines(replayed: readonly Replayed[]): string[] {
  const time = (at: Micros): string => new Date(at / 1_000).toISOString();
  const lines = replayed.map(({ status, ...facts }) => {
    const { dialog: _, ...plain } = status;
    return JSON.stringify({ ...facts, ...plain, at: time(status.at), since: time(status.since) });
  });
  const hash = stateHash(new Map(replayed.map(({ runtimeId, status }) => [runtimeId, status])));
  return [...lines, JSON.stringify({ state_hash: hash })];
}
