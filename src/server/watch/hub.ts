import { create } from "@bufbuild/protobuf";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import {
  FilterSchema,
  type WatchRequest,
  type WatchResponse,
  WatchScope,
} from "../../../gen/agtmux/v1/state_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import { resume, streamId } from "./cursor.js";
import { matcher } from "./filter.js";
import type { WatchLog } from "./log.js";
import type { TargetReach } from "./reach.js";
import { scopeOf } from "./scope.js";
import { SharedMessages } from "./shared-messages.js";
import { Stream } from "./stream.js";
import type { View, ViewChange } from "./view.js";

export interface HubSettings {
  readonly bookmarkMs: number;
}

/** A timer may come a little before its time, by the clock that is read here. */
const TIMER_SLACK_MS = 2;

const NOTHING: ViewChange = { panes: [], windows: [], sessions: [] };

/**
 * Appends what changed and serves streams of it. Publishing never waits for a reader: a stream is a position in the
 * log, read at its reader's own pace.
 */
export class WatchHub {
  #targets: readonly TargetReach[] = [];
  readonly #bells = new Set<Bell>();
  readonly #shared = new SharedMessages();
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
    const stream = new Stream(
      this.view,
      this.log,
      this.now,
      scope,
      matcher(filter),
      {
        streamId: streamId(this.instanceId, shown, filter),
        scope: shown,
        filter,
      },
      this.#shared,
    );
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
    const bell = new Bell();
    const ring = (): void => bell.ring();
    const bookmarkDue = setTimeout(ring, bookmarkMs);
    signal.addEventListener("abort", ring, { once: true });
    this.#bells.add(bell);
    let quietSince = performance.now();
    const told = (): void => {
      quietSince = performance.now();
      bookmarkDue.refresh();
    };
    try {
      while (!signal.aborted) {
        const messages = stream.next(this.#targets);
        if (messages !== undefined) {
          yield* messages;
          told();
          continue;
        }
        if (this.#closed) {
          yield stream.reset("shutdown", this.#targets);
          return;
        }
        // What changed for others only does not count as news: this reader too must hear that the daemon lives.
        if (performance.now() - quietSince >= bookmarkMs - TIMER_SLACK_MS) {
          yield stream.bookmark(this.#targets);
          told();
        } else await bell.rung();
      }
    } finally {
      this.#bells.delete(bell);
      signal.removeEventListener("abort", ring);
      clearTimeout(bookmarkDue);
    }
  }

  #append(change: ViewChange): void {
    this.log.append(change, this.#targets, this.now());
    this.#ring();
  }

  #ring(): void {
    for (const bell of this.#bells) bell.ring();
  }
}

/** Wakes one stream. What rings while it is awake wakes it as soon as it waits. */
class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async rung(): Promise<void> {
    if (!this.#rung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
    this.#rung = false;
  }
}
