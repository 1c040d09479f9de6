import type { Transition } from "../../engine/event.js";
import type { AgentHost, RuntimeView } from "../contract.js";
import { splitTitle, type TitleWord, titleSaying } from "./title.js";

/**
 * How often a mark that goes on moving is told again, in microseconds. As a sign of life of a long, silent turn; and
 * where no app-server is heard, because a dialog that was answered between two readings leaves no other trace.
 */
const REFRESH = { heard: 45_000_000, alone: 3_000_000 };

interface Seen {
  readonly word: TitleWord;
  readonly mark: string;
  readonly toldAt: number;
}

/**
 * Tells what the terminals' titles say, and whether their marks move: what a killed Codex left in a pane looks the
 * same, but stands still. Beside a turn's end or a dialog the screen is looked at first, so that how and which are
 * known with it.
 */
export class TitleFeed {
  readonly #seen = new Map<string, Seen>();

  constructor(
    private readonly host: Pick<AgentHost, "now" | "emit" | "look">,
    /** Whether the app-server speaks for a runtime. */
    private readonly isHeard: (runtimeId: string) => boolean,
  ) {}

  update(views: readonly RuntimeView[]): void {
    const present = new Set(views.map((view) => view.runtimeId));
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
    // An empty title is left behind at exit and says nothing.
    for (const { runtimeId, title } of views) if (title !== "") this.#read(runtimeId, title);
  }

  #read(runtimeId: string, title: string): void {
    const { word, mark } = splitTitle(title);
    const before = this.#seen.get(runtimeId);
    const now = this.host.now();
    if (before?.word !== word) {
      // A word that changed before our eyes is this process's; only the first one seen may be old.
      const seen = { word, mark, toldAt: before === undefined ? 0 : now };
      this.#seen.set(runtimeId, seen);
      if (before === undefined || word === "turn") this.#emit(runtimeId, titleSaying(word, false));
      else void this.#lookThenTell(runtimeId, word);
      return;
    }
    const every = this.isHeard(runtimeId) ? REFRESH.heard : REFRESH.alone;
    const due = mark !== before.mark && now - before.toldAt > every;
    this.#seen.set(runtimeId, { word, mark, toldAt: due ? now : before.toldAt });
    if (due) this.#emit(runtimeId, titleSaying(word, true));
  }

  async #lookThenTell(runtimeId: string, word: TitleWord): Promise<void> {
    await this.host.look(runtimeId);
    // The title may have changed again meanwhile, and that may have been told.
    if (this.#seen.get(runtimeId)?.word === word) this.#emit(runtimeId, titleSaying(word, false));
  }

  #emit(runtimeId: string, transition: Transition): void {
    const now = this.host.now();
    const event = { eventType: "title", eventTime: now, resolution: 1, dedupeKey: String(now) };
    this.host.emit([{ ...event, runtimeId, source: "native", channel: "title", transition }]);
  }
}
