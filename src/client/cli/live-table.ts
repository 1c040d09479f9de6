import type { WatchResponse } from "../../../gen/agtmux/v1/state_pb.js";
import type { Context } from "./context.js";
import { explainEmpty } from "./empty.js";
import { viewWith } from "./list.js";
import { Screen } from "./screen.js";
import { type Measure, measureFor, measureNarrow } from "./text-width.js";
import type { WatchSink } from "./watch.js";
import { frameLines, type Scope, type WatchFrame } from "./watch-frame.js";
import { WatchFold } from "./watch-view.js";

/** Ages move on by themselves this often, in milliseconds. */
const AGES_MS = 1_000;

/** The live list on a terminal: shows a change at once, but repaints at most once per interval. */
export class LiveTable implements WatchSink {
  readonly #screen: Screen;
  readonly #fold = new WatchFold();
  readonly #endResize: () => void;
  readonly #ages: NodeJS.Timeout;
  #latest: WatchResponse | undefined;
  #empty: readonly string[] = [];
  #reconnecting: string | undefined;
  #measure: Measure = measureNarrow;
  #lastPaint = Number.NEGATIVE_INFINITY;
  #pending: NodeJS.Timeout | undefined;

  constructor(
    readonly context: Context,
    readonly scope: Scope,
    readonly intervalMs: number,
  ) {
    this.#screen = new Screen(context.io.stdout);
    this.#endResize = context.io.stdout.onResize(() => this.#paint());
    this.#ages = setInterval(() => this.#soon(), AGES_MS);
  }

  async message(message: WatchResponse): Promise<void> {
    this.#reconnecting = undefined;
    this.#latest = message;
    this.#fold.apply(message);
    this.#measure = await measureFor(message);
    if (this.#isEmpty())
      this.#empty = await explainEmpty(this.context, this.scope.slice(0, -1), message.filter);
    this.#soon();
    await this.context.io.stdout.drained();
  }

  disconnected(why: string): void {
    this.#reconnecting = why;
    this.#soon();
  }

  close(): void {
    clearInterval(this.#ages);
    clearTimeout(this.#pending);
    this.#endResize();
    this.#screen.leave();
  }

  #isEmpty(): boolean {
    const { panes, windows, sessions } = this.#fold.view();
    return panes.length + windows.length + sessions.length === 0;
  }

  /** Paints now, or when the interval since the last picture is over. */
  #soon(): void {
    const wait = this.#lastPaint + this.intervalMs - performance.now();
    if (wait <= 0) this.#paint();
    else this.#pending ??= setTimeout(() => this.#paint(), wait);
  }

  #paint(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    if (this.#latest === undefined) return;
    this.#lastPaint = performance.now();
    const frame: WatchFrame = {
      scope: this.scope,
      items: this.#fold.view(),
      latest: this.#latest,
      empty: this.#empty,
      reconnecting: this.#reconnecting,
    };
    const { io } = this.context;
    this.#screen.draw(frameLines(frame, viewWith(io, this.#measure), io.stdout.size().rows));
  }
}
