import type { AnyAdapter } from "../adapters/contract.js";
import type { Fold, Json } from "../engine/fold.js";
import { emptyFold, foldEvent, refold } from "../engine/fold.js";
import { promptId } from "../engine/identity.js";
import { compareOrder } from "../engine/order.js";
import type { Micros, Status } from "../engine/state.js";
import type { EventRecord } from "../store/event-store.js";
import type { RuntimeRecord } from "../store/runtime-store.js";
import type { StateRecord } from "../store/state-store.js";
import type { Store } from "../store/store.js";

/** An active runtime as the daemon holds it: its row, its fold, its state. */
export interface LiveRuntime {
  readonly record: RuntimeRecord;
  readonly fold: Fold<Json>;
  readonly state: StateRecord;
  /** Effective time of the newest sign of life. */
  readonly lastSign: Micros;
  /** The agent's launcher and worker; they prove an ancestor. Empty until the process table was read. */
  readonly pids: readonly number[];
}

function startMicros(record: RuntimeRecord): Micros {
  return Number(record.startedAtNs / 1_000n);
}

/** Names the version of the fold's code and data: checkpoints of another one are not used. */
export function reducerName(adapter: AnyAdapter): string {
  return `${adapter.agentType}/${adapter.contractVersion}/${adapter.screen.version}`;
}

/** A runtime that has said nothing yet. */
export function freshRuntime(record: RuntimeRecord, adapter: AnyAdapter, now: Micros): LiveRuntime {
  const fold = emptyFold(adapter.reducer, startMicros(record));
  return {
    record,
    fold,
    state: {
      runtimeId: record.runtimeId,
      status: fold.status,
      stateVersion: 1,
      updatedAt: now,
      promptId: "",
    },
    lastSign: startMicros(record),
    pids: [],
  };
}

/** Folds a runtime's stored events anew, from the nearest checkpoint before `from` or from its first event. */
export function foldStored(
  store: Store,
  record: RuntimeRecord,
  adapter: AnyAdapter,
  from: Micros = Number.MAX_SAFE_INTEGER,
): Fold<Json> {
  const checkpoint = store.checkpoints.before(record.runtimeId, reducerName(adapter), from);
  const last = checkpoint?.fold.last;
  // A sequenced channel's late event may reorder what lies before a checkpoint, and its events may lie behind one
  // whatever their own time says: such a runtime folds from the first event.
  if (checkpoint === undefined || last === undefined || store.events.isSequenced(record.runtimeId)) {
    const start = emptyFold(adapter.reducer, startMicros(record));
    return refold(start, store.events.foldable(record.runtimeId), adapter.reducer);
  }
  const events = store.events.foldable(record.runtimeId, checkpoint.at).filter(
    (event) =>
      compareOrder(last, {
        time: event.effectiveTime,
        source: event.source,
        channel: event.channel,
        seq: 0,
        eventId: event.eventId,
      }) < 0,
  );
  return refold(checkpoint.fold, events, adapter.reducer);
}

/** Folds one more event, which is in the store already, in its place. */
export function foldIn(
  store: Store,
  runtime: LiveRuntime,
  event: EventRecord,
  adapter: AnyAdapter,
  inOrder: boolean,
): Fold<Json> {
  if (inOrder) return foldEvent(runtime.fold, event, adapter.reducer);
  store.checkpoints.dropFrom(runtime.record.runtimeId, event.effectiveTime);
  return foldStored(store, runtime.record, adapter, event.effectiveTime);
}

function sameValue(a: Status | StateRecord["status"], b: Status): boolean {
  return a.state === b.state && a.reason === b.reason;
}

/** The state row that a fold makes of the one before it. */
export function nextState(before: StateRecord, fold: Fold<Json>, now: Micros): StateRecord {
  const { dialog, ...status } = fold.status;
  const prompt = dialog === undefined ? "" : (promptId(before.runtimeId, dialog) ?? "");
  const changed = !sameValue(before.status, fold.status) || prompt !== before.promptId;
  return {
    runtimeId: before.runtimeId,
    status,
    stateVersion: changed ? before.stateVersion + 1 : before.stateVersion,
    updatedAt: changed ? now : before.updatedAt,
    promptId: prompt,
  };
}
