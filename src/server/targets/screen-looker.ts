import type { AnyAdapter, NativeSignal } from "../adapters/contract.js";
import { dialogDigest } from "../adapters/dialog-digest.js";
import { readScreen, type ScreenReading } from "../adapters/screen-patterns.js";
import type { Micros } from "../engine/state.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import type { PaneRow } from "../tmux/topology.js";

export interface LookSettings {
  readonly screenProofMs: number;
  readonly screenRefreshMs: number;
  readonly screenUnknownMs: number;
}

/** What is remembered of one runtime's screen; memory only. */
interface Seen {
  activity: number;
  title: string;
  lookedAt: Micros;
  /** Reading that consecutive looks agree on, and since when. */
  reading: string;
  since: Micros;
  emitted: string;
  emittedAt: Micros;
  rule: string;
  confirmed: boolean;
  promptDigest: string;
  promptText: string;
}

const NOTHING = "";
/** A dialog's text as kept for people; longer ones are cut. */
const MAX_PROMPT_CHARS = 8_192;

/** Decides which screens to look at and what the looks say. */
export class ScreenLooker {
  readonly #seen = new Map<string, Seen>();

  constructor(
    private readonly now: () => Micros,
    private readonly settings: LookSettings,
  ) {}

  /** Whether a runtime's screen has moved or its state needs proof. */
  due(runtime: LiveRuntime, pane: PaneRow): boolean {
    const seen = this.#seen.get(runtime.record.runtimeId);
    if (seen === undefined) return true;
    const { state, confidence } = runtime.state.status;
    if (seen.activity !== pane.windowActivity || seen.title !== pane.title) return true;
    // tmux tells activity in whole seconds: what moved later in the same second shows nowhere else.
    if (pane.windowActivity >= Math.floor(seen.lookedAt / 1_000_000)) return true;
    if (state === "waiting_approval" || state === "waiting_input") return true;
    if (state === "unknown" && this.now() - seen.lookedAt > this.settings.screenUnknownMs * 1_000)
      return true;
    if (seen.reading !== NOTHING && !seen.confirmed && confidence !== "high") return true;
    return state === "running" && this.now() - seen.lookedAt > this.settings.screenRefreshMs * 1_000;
  }

  /** Takes one captured screen; returns the signal that is news, if any. */
  take(
    runtime: LiveRuntime,
    pane: Pick<PaneRow, "windowActivity" | "title">,
    adapter: AnyAdapter,
    screen: readonly string[],
  ): NativeSignal | undefined {
    const id = runtime.record.runtimeId;
    const now = this.now();
    const seen = this.#seen.get(id) ?? fresh(now);
    this.#seen.set(id, seen);
    seen.activity = pane.windowActivity;
    seen.title = pane.title;
    seen.lookedAt = now;
    const reading = readScreen(adapter.screen, screen);
    seen.rule = reading?.rule.id ?? "";
    if (reading === undefined || reading.rule.state === "unknown") {
      seen.reading = NOTHING;
      seen.emitted = NOTHING;
      return undefined;
    }
    const digest = this.#remember(seen, reading, adapter);
    const word = `${reading.rule.id} ${digest}`;
    if (word !== seen.reading) {
      seen.reading = word;
      seen.since = now;
      seen.confirmed = false;
    }
    seen.confirmed =
      seen.confirmed || (reading.rule.conclusive && now - seen.since >= this.settings.screenProofMs * 1_000);
    const news = `${word} ${seen.confirmed}`;
    const refresh =
      now - seen.emittedAt > this.settings.screenRefreshMs * 1_000 && reading.rule.state === "running";
    if (news === seen.emitted && !refresh) return undefined;
    seen.emitted = news;
    seen.emittedAt = now;
    return screenSignal(id, reading, digest, seen.confirmed, now);
  }

  /** The open dialog's text, if it was read and is the one with that digest. */
  promptText(runtimeId: string, digest: string | undefined): string {
    const seen = this.#seen.get(runtimeId);
    return seen !== undefined && digest !== undefined && seen.promptDigest === digest ? seen.promptText : "";
  }

  /** What the last look saw, for `explain`; never screen text. */
  evidence(runtimeId: string): string[] {
    const seen = this.#seen.get(runtimeId);
    if (seen === undefined) return ["not looked at yet"];
    const age = Math.round((this.now() - seen.lookedAt) / 1_000);
    if (seen.rule === "") return [`no rule matched at the last look, ${age} ms ago (which proves nothing)`];
    const proof = seen.confirmed ? `confirmed over ${this.settings.screenProofMs} ms` : "one look";
    return [`rule ${seen.rule} matched at the last look, ${age} ms ago (${proof})`];
  }

  /** Forgets runtimes that are gone. */
  keep(runtimeIds: ReadonlySet<string>): void {
    for (const id of this.#seen.keys()) if (!runtimeIds.has(id)) this.#seen.delete(id);
  }

  #remember(seen: Seen, reading: ScreenReading, adapter: AnyAdapter): string {
    const { dialogText } = reading;
    const digest = dialogDigest(reading, adapter.screen);
    if (dialogText === undefined || digest === undefined) return "";
    seen.promptDigest = digest;
    seen.promptText = dialogText.slice(0, MAX_PROMPT_CHARS).toWellFormed();
    return digest;
  }
}

function fresh(now: Micros): Seen {
  return {
    activity: -1,
    title: "",
    lookedAt: now,
    reading: NOTHING,
    since: now,
    emitted: NOTHING,
    emittedAt: 0,
    rule: "",
    confirmed: false,
    promptDigest: "",
    promptText: "",
  };
}

function screenSignal(
  runtimeId: string,
  reading: ScreenReading,
  digest: string,
  confirmed: boolean,
  now: Micros,
): NativeSignal {
  const { id: rule, state, reason } = reading.rule;
  return {
    runtimeId,
    source: "poller",
    channel: "screen",
    eventType: "screen",
    eventTime: now,
    resolution: 1,
    dedupeKey: `${now}`,
    transition: { kind: "screen", attributes: { rule, state, reason, digest, confirmed } },
  };
}
