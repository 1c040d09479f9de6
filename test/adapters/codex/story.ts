import { codexAdapter } from "../../../src/server/adapters/codex/index.js";
import type { CodexMemory } from "../../../src/server/adapters/codex/memory.js";
import type { BoundEvent, Transition } from "../../../src/server/engine/event.js";
import { emptyFold, type Fold, refold } from "../../../src/server/engine/fold.js";
import type { Source } from "../../../src/server/engine/state.js";

/** 22 Nov 2026, in microseconds. */
const EPOCH = 1_795_300_000_000_000;

/** Signals of one Codex, told at given seconds, and what its fold makes of them. */
export class Story {
  readonly events: BoundEvent[] = [];

  add(seconds: number, source: Source, channel: string, transition: Transition | undefined): this {
    const time = EPOCH + Math.round(seconds * 1_000_000);
    const eventId = `event-${String(this.events.length).padStart(5, "0")}`;
    const times = { eventTime: time, ingestedAt: time, effectiveTime: time };
    this.events.push({ eventId, source, channel, ...times, transition });
    return this;
  }

  /** A hook as Codex calls it, through the adapter's own normaliser. */
  hook(seconds: number, event: string, payload: unknown = {}): this {
    const signal = { source: "hook", channel: "", eventType: event, payload } as const;
    return this.add(seconds, "hook", "", codexAdapter.normalize(signal).transition);
  }

  title(seconds: number, title: string): this {
    return this.add(seconds, "native", "title", codexAdapter.readTitle?.(title));
  }

  titleMoves(seconds: number, word: "turn" | "dialog"): this {
    return this.add(seconds, "native", "title", { kind: "title", attributes: { word, moving: true } });
  }

  server(seconds: number, status: string, end = ""): this {
    return this.add(seconds, "native", "app_server", { kind: "thread_status", attributes: { status, end } });
  }

  screen(
    seconds: number,
    state: string,
    reason: string,
    more: { confirmed?: boolean; digest?: string } = {},
  ): this {
    const attributes = {
      rule: reason,
      state,
      reason,
      digest: more.digest ?? "",
      confirmed: more.confirmed ?? false,
    };
    return this.add(seconds, "poller", "screen", { kind: "screen", attributes });
  }

  fold(events: readonly BoundEvent[] = this.events): Fold<CodexMemory> {
    return refold(emptyFold(codexAdapter.reducer, EPOCH), events, codexAdapter.reducer);
  }

  /** State and reason in the end. */
  get state(): string {
    const { state, reason } = this.fold().status;
    return `${state}/${reason}`;
  }

  /** Every state on the way, without repetitions. */
  get course(): string[] {
    const course: string[] = [];
    const ordered = [...this.events].sort((a, b) => a.effectiveTime - b.effectiveTime);
    for (let count = 1; count <= ordered.length; count += 1) {
      const { state } = this.fold(ordered.slice(0, count)).status;
      if (course.at(-1) !== state) course.push(state);
    }
    return course;
  }
}
