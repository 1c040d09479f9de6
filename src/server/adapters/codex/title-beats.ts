import type { AgentHost, NativeSignal, RuntimeView } from "../contract.js";
import { splitTitle, titleSaying } from "./title.js";

/**
 * How often a mark that goes on moving is told again, in microseconds. As a sign of life of a long, silent turn; and
 * where no app-server is heard, because a dialog that was answered between two readings leaves no other trace.
 */
const REFRESH = { heard: 45_000_000, alone: 3_000_000 };

interface Beat {
  readonly mark: string;
  readonly word: string;
  readonly toldAt: number;
}

/**
 * Tells that a title's mark moves. The word alone (see title.ts) is read by the daemon when it changes; what a killed
 * Codex left in the pane looks the same, but stands still.
 */
export class TitleBeats {
  readonly #beats = new Map<string, Beat>();

  constructor(
    private readonly host: Pick<AgentHost, "now" | "emit">,
    /** Whether the app-server speaks for a runtime. */
    private readonly isHeard: (runtimeId: string) => boolean,
  ) {}

  update(views: readonly RuntimeView[]): void {
    const present = new Set(views.map((view) => view.runtimeId));
    for (const id of this.#beats.keys()) if (!present.has(id)) this.#beats.delete(id);
    const signals = views.flatMap(({ runtimeId, title }) => this.#beat(runtimeId, title));
    if (signals.length > 0) this.host.emit(signals);
  }

  #beat(runtimeId: string, title: string): NativeSignal[] {
    const { word, mark } = splitTitle(title);
    const before = this.#beats.get(runtimeId);
    const now = this.host.now();
    if (before?.word !== word) {
      // A word that changed before our eyes is this process's; only the first one seen may be old.
      this.#beats.set(runtimeId, { mark, word, toldAt: before === undefined ? 0 : now });
      return [];
    }
    const every = this.isHeard(runtimeId) ? REFRESH.heard : REFRESH.alone;
    const due = mark !== before.mark && now - before.toldAt > every;
    this.#beats.set(runtimeId, { mark, word, toldAt: due ? now : before.toldAt });
    if (!due) return [];
    const event = { eventType: "title_moves", eventTime: now, resolution: 1, dedupeKey: `moves:${now}` };
    return [{ ...event, runtimeId, source: "native", channel: "title", transition: titleSaying(word, true) }];
  }
}
