import type { WatchResponse } from "../../../gen/agtmux/v1/state_pb.js";
import type { Micros } from "../engine/state.js";
import type { Reach } from "./reach.js";

/** A message that says the same on every stream of one id, with the reach that it tells; none if there is nothing to say. */
export interface Shared {
  readonly message: WatchResponse | undefined;
  readonly reach: Reach;
}

/** A bookmark says when it was sent: one that another stream was sent longer ago is made anew. */
const BOOKMARK_AGE: Micros = 1_000_000;

/**
 * Streams of one id tell the same at the same place of the log, and most readers are at the same place. What one of them
 * is told is made once, and held until the log goes on.
 */
export class SharedMessages {
  #head = 0;
  readonly #steps = new Map<string, Shared>();
  readonly #bookmarks = new Map<string, { readonly at: Micros; readonly message: WatchResponse }>();

  /** What streams of that id are told of the entries after `from` up to `to`. */
  step(streamId: string, from: number, to: number, head: number, make: () => Shared): Shared {
    if (head !== this.#head) {
      this.#head = head;
      this.#steps.clear();
      this.#bookmarks.clear();
    }
    const key = `${streamId} ${from} ${to}`;
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#steps.set(key, made);
    return made;
  }

  bookmark(streamId: string, sequence: number, now: Micros, make: () => WatchResponse): WatchResponse {
    const key = `${streamId} ${sequence}`;
    const known = this.#bookmarks.get(key);
    if (known !== undefined && now - known.at < BOOKMARK_AGE) return known.message;
    const message = make();
    this.#bookmarks.set(key, { at: now, message });
    return message;
  }
}
