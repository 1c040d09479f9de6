import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { ErrorCode, type Summary, SummarySchema } from "../../../gen/agtmux/v1/common_pb.js";
import {
  FilterSchema,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
  WatchScope,
  WatchType,
} from "../../../gen/agtmux/v1/state_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import { formatCursor, resume, streamId } from "./cursor.js";
import { type Matcher, matcher } from "./filter.js";
import type { LogEntry, WatchLog } from "./log.js";
import { type Reach, reach, sameReach, type TargetReach } from "./reach.js";
import { RunningSummary } from "./rollup.js";
import { timestamp } from "./rows.js";
import { type Scope, scopeOf } from "./scope.js";
import type { View, ViewChange } from "./view.js";

/** A reader further behind than this gets its backlog as one merged delta. */
const MERGE_BEHIND = 256;

export interface HubSettings {
  readonly bookmarkMs: number;
}

const NOTHING: ViewChange = { panes: [], windows: [], sessions: [] };

/**
 * Appends what changed and serves streams of it. Publishing never waits for a reader: a stream is a position in the
 * log, read at its reader's own pace.
 */
export class WatchHub {
  #targets: readonly TargetReach[] = [];
  readonly #waiting = new Set<() => void>();
  #closed = false;
  #watchers = 0;

  constructor(
    readonly view: View,
    private readonly log: WatchLog,
    private readonly instanceId: string,
    private readonly now: () => Micros,
    private readonly settings: HubSettings,
  ) {}

  get targets(): readonly TargetReach[] {
    return this.#targets;
  }

  get watchers(): number {
    return this.#watchers;
  }

  /** Makes a change visible. The view must be as after the change. */
  publish(change: ViewChange): void {
    if (change.panes.length + change.windows.length + change.sessions.length === 0) return;
    this.#append(change);
  }

  /** Takes every target's reach; a change of it alone is an entry without rows. */
  setTargets(targets: readonly TargetReach[]): void {
    const sorted = [...targets].sort((a, b) => (a.name < b.name ? -1 : 1));
    const shown = (list: readonly TargetReach[]): string =>
      JSON.stringify(
        list.map(({ name, responded, error }) => [name, responded, error?.code, error?.message]),
      );
    const changed = shown(sorted) !== shown(this.#targets);
    this.#targets = sorted;
    if (changed) this.#append(NOTHING);
  }

  /** Ends every stream with reset(shutdown). */
  close(): void {
    this.#closed = true;
    this.#ring();
  }

  /**
   * One stream; see StateService.Watch for its promises. Throws ContractError E_INVALID_ARGUMENT, E_CURSOR_INVALID or
   * E_CURSOR_EXPIRED before its first message.
   */
  async *stream(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const scope = scopeOf(request.scope);
    if (scope === undefined) throw invalidArgument("scope", "no such scope");
    const filter = request.filter ?? create(FilterSchema);
    const shown = request.scope === WatchScope.UNSPECIFIED ? WatchScope.PANES : request.scope;
    const stream = new Stream(this.view, this.log, this.now, scope, matcher(filter), {
      streamId: streamId(this.instanceId, shown, filter),
      scope: shown,
      filter,
    });
    this.#watchers += 1;
    try {
      yield* this.#open(stream, request);
      yield* this.#follow(stream, signal);
    } finally {
      this.#watchers -= 1;
    }
  }

  *#open(stream: Stream, request: WatchRequest): Generator<WatchResponse> {
    if (request.cursor === "") {
      yield stream.snapshot(this.#targets);
      return;
    }
    const from = resume(request.cursor, stream.head.streamId, this.log.reach, this.log.head);
    if (from.kind === "expired") {
      if (request.strict) {
        throw new ContractError(
          ErrorCode.E_CURSOR_EXPIRED,
          `the cursor cannot be continued: ${from.reason}`,
          {
            reason: from.reason,
          },
        );
      }
      yield stream.reset(from.reason, this.#targets);
      yield stream.snapshot(this.#targets);
      return;
    }
    stream.continueFrom(from.sequence);
    // The first message comes at once, even if nothing after the cursor is this reader's business.
    yield* stream.next(this.#targets) ?? [stream.bookmark(this.#targets)];
  }

  async *#follow(stream: Stream, signal: AbortSignal): AsyncGenerator<WatchResponse> {
    const { bookmarkMs } = this.settings;
    let quietSince = performance.now();
    while (!signal.aborted) {
      const messages = stream.next(this.#targets);
      if (messages !== undefined) {
        yield* messages;
        quietSince = performance.now();
        continue;
      }
      if (this.#closed) {
        yield stream.reset("shutdown", this.#targets);
        return;
      }
      // What changed for others only does not count as news: this reader too must hear that the daemon lives.
      const left = quietSince + bookmarkMs - performance.now();
      if (left > 0) {
        await this.#waitForChange(signal, left);
        continue;
      }
      yield stream.bookmark(this.#targets);
      quietSince = performance.now();
    }
  }

  /** Resolves at the next change, when the reader goes, or after `timeoutMs`. */
  async #waitForChange(signal: AbortSignal, timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    const gone = (): void => resolve();
    signal.addEventListener("abort", gone, { once: true });
    this.#waiting.add(resolve);
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", gone);
      this.#waiting.delete(resolve);
      clearTimeout(timer);
    }
  }

  #append(change: ViewChange): void {
    this.log.append(change, this.#targets, this.now());
    this.#ring();
  }

  #ring(): void {
    for (const wake of this.#waiting) wake();
  }
}

interface StreamHead {
  readonly streamId: string;
  readonly scope: WatchScope;
  readonly filter: NonNullable<WatchRequest["filter"]>;
}

/** One reader's position, and the summary that goes with it. */
class Stream {
  #sequence = 0;
  #summary = new RunningSummary();
  #reach: Reach | undefined;
  #told: Summary | undefined;

  constructor(
    private readonly view: View,
    private readonly log: WatchLog,
    private readonly now: () => Micros,
    private readonly scope: Scope,
    private readonly matcher: Matcher,
    readonly head: StreamHead,
  ) {}

  snapshot(targets: readonly TargetReach[]): WatchResponse {
    this.#sequence = this.log.head;
    this.#summary = new RunningSummary();
    for (const pane of this.view.panes()) if (this.matcher.pane(pane)) this.#summary.count(pane, 1);
    const observedAt = timestamp(this.now());
    const items = this.scope.items(this.view, this.matcher, observedAt);
    return this.#message(WatchType.SNAPSHOT, targets, { items });
  }

  reset(resetReason: string, targets: readonly TargetReach[]): WatchResponse {
    return this.#message(WatchType.RESET, targets, { resetReason });
  }

  bookmark(targets: readonly TargetReach[]): WatchResponse {
    return this.#message(WatchType.BOOKMARK, targets, {});
  }

  /** Takes up a live cursor: the summary is today's, with everything after the cursor taken back. */
  continueFrom(sequence: number): void {
    for (const pane of this.view.panes()) if (this.matcher.pane(pane)) this.#summary.count(pane, 1);
    for (const entry of this.#entries(sequence, this.log.head)) this.#count(entry, -1);
    this.#sequence = sequence;
    this.#told = this.#summary.message();
    const then = this.log.after(sequence - 1)?.targets;
    // What the oldest reader was told last is not known any more; the next entry is told then, whatever it is.
    this.#reach = then === undefined ? undefined : reach(then, this.matcher.targets);
  }

  /** What to send next; undefined when the reader has everything. */
  next(targets: readonly TargetReach[]): WatchResponse[] | undefined {
    if (this.#sequence < this.log.reach) return [this.reset("too_slow", targets), this.snapshot(targets)];
    while (this.#sequence < this.log.head) {
      const behind = this.log.head - this.#sequence;
      const upTo = behind > MERGE_BEHIND ? this.log.head : this.#sequence + 1;
      const message = this.#step(this.#entries(this.#sequence, upTo), upTo);
      if (message !== undefined) return [message];
    }
    return undefined;
  }

  #step(entries: readonly LogEntry[], upTo: number): WatchResponse | undefined {
    for (const entry of entries) this.#count(entry, 1);
    this.#sequence = upTo;
    const last = entries.at(-1);
    if (last === undefined) return undefined;
    const changes = this.scope.changes(entries, this.matcher, timestamp(this.now()));
    const now = reach(last.targets, this.matcher.targets);
    if (changes.length === 0 && this.#alreadyTold(now)) return undefined;
    return this.#message(WatchType.DELTA, last.targets, { changes, coalesced: entries.length > 1 }, last.at);
  }

  #alreadyTold(now: Reach): boolean {
    if (this.#reach === undefined || this.#told === undefined) return false;
    return sameReach(now, this.#reach) && equals(SummarySchema, this.#summary.message(), this.#told);
  }

  #count(entry: LogEntry, direction: 1 | -1): void {
    for (const { before, after } of entry.panes) {
      if (before !== undefined && this.matcher.pane(before))
        this.#summary.count(before, direction === 1 ? -1 : 1);
      if (after !== undefined && this.matcher.pane(after)) this.#summary.count(after, direction);
    }
  }

  /** Entries after `from` up to and including `to`. */
  #entries(from: number, to: number): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let sequence = from; sequence < to; sequence++) {
      const entry = this.log.after(sequence);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  #message(
    type: WatchType,
    targets: readonly TargetReach[],
    body: MessageInitShape<typeof WatchResponseSchema>,
    generatedAt: Micros = this.now(),
  ): WatchResponse {
    this.#reach = reach(targets, this.matcher.targets);
    this.#told = this.#summary.message();
    return create(WatchResponseSchema, {
      schemaVersion: 1,
      generatedAt: timestamp(generatedAt),
      emittedAt: timestamp(this.now()),
      streamId: this.head.streamId,
      cursor: formatCursor(this.head.streamId, this.#sequence),
      scope: this.head.scope,
      filter: this.head.filter,
      type,
      sequence: BigInt(this.#sequence),
      summary: this.#told,
      ...this.#reach,
      ...body,
    });
  }
}
