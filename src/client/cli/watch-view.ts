import {
  ChangeOp,
  type Pane,
  type Session,
  type WatchChange,
  type WatchItem,
  type WatchResponse,
  WatchType,
  type Window,
} from "../../../gen/agtmux/v1/state_pb.js";
import { comparePanes, compareSessions, compareWindows } from "./order.js";

/** What a stream's messages add up to. */
export interface WatchView {
  readonly panes: readonly Pane[];
  readonly windows: readonly Window[];
  readonly sessions: readonly Session[];
}

function itemKey(item: WatchItem["item"]): string {
  const identity = item.value?.identity;
  if (identity === undefined) return "";
  const parts: string[] = [item.case ?? "", identity.target, identity.sessionName];
  if ("windowId" in identity) parts.push(identity.windowId);
  if ("paneId" in identity) parts.push(identity.paneId);
  return parts.join("\0");
}

function changeKey({ identity }: WatchChange): string {
  if (identity.value === undefined) return "";
  const parts: string[] = [identity.case, identity.value.target, identity.value.sessionName];
  if ("windowId" in identity.value) parts.push(identity.value.windowId);
  if ("paneId" in identity.value) parts.push(identity.value.paneId);
  return parts.join("\0");
}

/** Folds a stream's messages into what is there now. */
export class WatchFold {
  readonly #items = new Map<string, WatchItem["item"]>();

  /** Takes the next message; a reset leaves the last picture until the snapshot that follows. */
  apply(message: WatchResponse): void {
    if (message.type === WatchType.SNAPSHOT) {
      this.#items.clear();
      for (const { item } of message.items) this.#items.set(itemKey(item), item);
    } else if (message.type === WatchType.DELTA) {
      for (const change of message.changes) this.#change(change);
    }
  }

  #change(change: WatchChange): void {
    if (change.op === ChangeOp.DELETE) this.#items.delete(changeKey(change));
    else if (change.item !== undefined) this.#items.set(changeKey(change), change.item.item);
  }

  /** Everything, in the default order of tables. */
  view(): WatchView {
    const panes: Pane[] = [];
    const windows: Window[] = [];
    const sessions: Session[] = [];
    for (const item of this.#items.values()) {
      if (item.case === "pane") panes.push(item.value);
      else if (item.case === "window") windows.push(item.value);
      else if (item.case === "session") sessions.push(item.value);
    }
    return {
      panes: panes.sort(comparePanes),
      windows: windows.sort(compareWindows),
      sessions: sessions.sort(compareSessions),
    };
  }
}
