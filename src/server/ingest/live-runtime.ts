import type { AnyAdapter } from "../adapters/contract.js";
import type { Fold, Json } from "../engine/fold.js";
import { emptyFold } from "../engine/fold.js";
import { promptId } from "../engine/identity.js";
import { compareOrder, inOrder } from "../engine/order.js";
import type { Micros, Status } from "../engine/state.js";
import { type Timeline, timelineFrom } from "../engine/timeline.js";
import type { RuntimeRecord } from "../store/runtime-store.js";
import type { StateRecord } from "../store/state-store.js";
import type { Store } from "../store/store.js";

/** An active runtime as the daemon holds it: its row, its fold, its state. */
export interface LiveRuntime extends Timeline<Json> {
  readonly record: RuntimeRecord;
  /** The fold of the events that retention took away: what belongs before it comes too late. */
  readonly base?: Pick<Fold<Json>, "last" | "marks"> | undefined;
  readonly state: StateRecord;
  /** The agent's launcher and worker; they prove an ancestor. Empty until the process table was read. */
  readonly pids: readonly number[];
}

/** What the observer sees of a runtime's processes and place. */
export interface RuntimeFacts {
  readonly pids: readonly number[];
  readonly session: string;
  readonly windowId: string;
  readonly cwd: string;
}

export function hasMoved({ record }: LiveRuntime, { session, windowId, cwd }: RuntimeFacts): boolean {
  return record.session !== session || record.windowId !== windowId || record.cwd !== cwd;
}

export function hasPids({ pids }: LiveRuntime, facts: RuntimeFacts): boolean {
  return facts.pids.length === pids.length && facts.pids.every((pid, index) => pids[index] === pid);
}

/** When a runtime's process started. */
export function startMicros(record: RuntimeRecord): Micros {
  return Number(record.startedAtNs / 1_000n);
}

/** Goes up when what the engine's own fold remembers changes. */
const FOLD_VERSION = 3;

/** Names the version of the fold's code and data: checkpoints of another one are not used. */
export function reducerName(adapter: AnyAdapter): string {
  return `${adapter.agentType}/${adapter.contractVersion}/${adapter.screen.version}/${FOLD_VERSION}`;
}

/** A runtime that has said nothing yet. */
export function freshRuntime(record: RuntimeRecord, adapter: AnyAdapter, now: Micros): LiveRuntime {
  const fold = emptyFold(adapter.reducer, startMicros(record));
  return {
    record,
    fold,
    tail: [],
    state: {
      runtimeId: record.runtimeId,
      status: fold.status,
      stateVersion: 1,
      updatedAt: now,
      promptId: "",
    },
    pids: [],
  };
}

/**
 * Folds a runtime's stored events anew: from the nearest checkpoint before `from`, else from the base that retention
 * left, else from its first event.
 */
export function foldStored(
  store: Store,
  record: RuntimeRecord,
  adapter: AnyAdapter,
  from: Micros = Number.MAX_SAFE_INTEGER,
): Timeline<Json> {
  const name = reducerName(adapter);
  // A sequenced channel's late event may reorder what lies before a checkpoint, and its events may lie behind one
  // whatever their own time says: nothing but a base, before which nothing is folded in, is good for those.
  const sequenced = store.events.isSequenced(record.runtimeId);
  const checkpoint = sequenced ? undefined : store.checkpoints.before(record.runtimeId, name, from);
  const start = checkpoint ?? store.checkpoints.base(record.runtimeId, name);
  const last = start?.last;
  if (start === undefined || last === undefined) {
    const empty = emptyFold(adapter.reducer, startMicros(record));
    return timelineFrom(empty, store.events.foldable(record.runtimeId), adapter.reducer);
  }
  const events = sequenced
    ? store.events.foldable(record.runtimeId)
    : store.events.foldable(record.runtimeId, last.time);
  const behind = inOrder(events, start.marks).filter(
    ({ event, key }) => event.sourceSeq !== undefined || compareOrder(last, key) < 0,
  );
  return timelineFrom(
    start,
    behind.map(({ event }) => event),
    adapter.reducer,
  );
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
