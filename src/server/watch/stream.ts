import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { type Summary, SummarySchema } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
  type WatchScope,
  WatchType,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { Micros } from "../engine/state.js";
import { failpoint } from "../failpoint.js";
import { formatCursor } from "./cursor.js";
import type { Matcher } from "./filter.js";
import type { LogEntry, WatchLog } from "./log.js";
import { type Reach, reach, sameReach, type TargetReach } from "./reach.js";
import { RunningSummary } from "./rollup.js";
import { timestamp } from "./rows.js";
import type { Scope } from "./scope.js";
import type { Shared, SharedMessages } from "./shared-messages.js";
import type { View } from "./view.js";

/** A reader further behind than this gets its backlog as one merged delta. */
const MERGE_BEHIND = 256;

/** What names a stream. */
export interface StreamHead {
  readonly streamId: string;
  readonly scope: WatchScope;
  readonly filter: NonNullable<WatchRequest["filter"]>;
}

/** One reader's position, and the summary that goes with it. */
export class Stream {
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
    private readonly shared: SharedMessages,
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
    const make = (): WatchResponse => this.#message(WatchType.BOOKMARK, targets, {});
    return this.shared.bookmark(this.head.streamId, this.#sequence, this.now(), make);
  }

  /** Takes up a live cursor: the summary is today's, with everything after the cursor taken back. */
  continueFrom(sequence: number): void {
    for (const pane of this.view.panes()) if (this.matcher.pane(pane)) this.#summary.count(pane, 1);
    const missed = this.log.merged(sequence, this.log.head);
    if (missed !== undefined) this.#count(missed, -1);
    this.#sequence = sequence;
    this.#told = this.#summary.message();
    const then = this.log.targetsAt(sequence);
    // What the oldest reader was told last is not known any more; the next entry is told then, whatever it is.
    this.#reach = then === undefined ? undefined : reach(then, this.matcher.targets);
  }

  /** What to send next; undefined when the reader has everything. */
  next(targets: readonly TargetReach[]): WatchResponse[] | undefined {
    if (this.#sequence < this.log.reach) return [this.reset("too_slow", targets), this.snapshot(targets)];
    while (this.#sequence < this.log.head) {
      const { head } = this.log;
      const upTo = head - this.#sequence > MERGE_BEHIND ? head : this.#sequence + 1;
      const message = this.#step(upTo);
      if (message !== undefined) return [message];
    }
    return undefined;
  }

  /** Tells of the entries up to and including `upTo`, as one. */
  #step(upTo: number): WatchResponse | undefined {
    const from = this.#sequence;
    const coalesced = upTo > from + 1;
    const entry = coalesced ? this.log.merged(from, upTo) : this.log.between(from, upTo)[0];
    this.#sequence = upTo;
    if (entry === undefined) return undefined;
    this.#count(entry, 1);
    const make = (): Shared => {
      const changes = this.scope.changes(entry, this.matcher, timestamp(this.now()));
      const now = reach(entry.targets, this.matcher.targets);
      if (changes.length === 0 && this.#alreadyTold(now)) return { message: undefined, reach: now };
      const body = { changes, coalesced };
      return { message: this.#message(WatchType.DELTA, entry.targets, body, entry.at), reach: now };
    };
    // Who does not know what it was told last cannot go by what another was.
    if (this.#reach === undefined) return make().message;
    const { message, reach: told } = this.shared.step(this.head.streamId, from, upTo, this.log.head, make);
    if (message === undefined) return undefined;
    this.#reach = told;
    this.#told = message.summary;
    return message;
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

  #message(
    type: WatchType,
    targets: readonly TargetReach[],
    body: MessageInitShape<typeof WatchResponseSchema>,
    generatedAt: Micros = this.now(),
  ): WatchResponse {
    failpoint("watch.before-send");
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
