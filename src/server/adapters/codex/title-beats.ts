import type { AgentHost, NativeSignal, RuntimeView } from "../contract.js";
import { splitTitle, titleSaying } from "./title.js";

/** How often a mark that goes on moving is told again: a sign of life of a long, silent turn. */
const REFRESH_MICROS = 45_000_000;

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

  constructor(private readonly host: Pick<AgentHost, "now" | "emit">) {}

  update(views: readonly RuntimeView[]): void {
    const present = new Set(views.map((view) => view.runtimeId));
    for (const id of this.#beats.keys()) if (!present.has(id)) this.#beats.delete(id);
    const now = this.host.now();
    const signals: NativeSignal[] = [];
    for (const view of views) {
      const { word, mark } = splitTitle(view.title);
      const before = this.#beats.get(view.runtimeId);
      const moved = before?.word === word && before.mark !== mark;
      const due = moved && now - before.toldAt > REFRESH_MICROS;
      // A word that changed before our eyes is this process's; only the first one seen may be old.
      const toldAt = before === undefined ? 0 : before.word === word ? before.toldAt : now;
      this.#beats.set(view.runtimeId, { mark, word, toldAt: due ? now : toldAt });
      if (!due || word === "plain") continue;
      signals.push({
        runtimeId: view.runtimeId,
        source: "native",
        channel: "title",
        eventType: "title_moves",
        eventTime: now,
        resolution: 1,
        dedupeKey: `moves:${now}`,
        transition: titleSaying(word, true),
      });
    }
    if (signals.length > 0) this.host.emit(signals);
  }
}
