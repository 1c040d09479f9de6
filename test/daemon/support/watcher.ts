import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import {
  type Agtmux,
  ChangeOp,
  PaneSchema,
  SessionSchema,
  type WatchItem,
  WatchItemSchema,
  type WatchRequestSchema,
  type WatchResponse,
  WatchType,
  WindowSchema,
} from "../../../src/client/index.js";
import { eventually } from "../../support/daemon.js";

/** One raw stream of the daemon, and everything it has said. */
export class Watcher {
  readonly messages: WatchResponse[] = [];
  /** What ended the stream; undefined while it is open, null if it ended by itself. */
  ended: unknown;
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor(client: Agtmux, request: MessageInitShape<typeof WatchRequestSchema> = {}) {
    this.#done = this.#read(client, request);
  }

  /** Opens a stream and waits for its first message. */
  static async open(
    client: Agtmux,
    request: MessageInitShape<typeof WatchRequestSchema> = {},
  ): Promise<Watcher> {
    const watcher = new Watcher(client, request);
    await watcher.until("the first message", ({ messages }) => messages.length > 0);
    return watcher;
  }

  get last(): WatchResponse {
    const last = this.messages.at(-1);
    if (last === undefined) throw new Error("nothing was received yet");
    return last;
  }

  async until(what: string, fits: (watcher: Watcher) => boolean, timeoutMs?: number): Promise<void> {
    const check = (): true | undefined => {
      if (fits(this)) return true;
      if (this.ended !== undefined && this.ended !== null) throw this.ended;
      return undefined;
    };
    await eventually(what, check, timeoutMs);
  }

  /** Waits for a message. */
  async message(what: string, fits: (message: WatchResponse) => boolean): Promise<WatchResponse> {
    await this.until(what, ({ messages }) => messages.some(fits));
    const found = this.messages.find(fits);
    if (found === undefined) throw new Error(what);
    return found;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  /** Resolves when the daemon has ended the stream. */
  async over(): Promise<void> {
    await this.#done;
  }

  async #read(client: Agtmux, request: MessageInitShape<typeof WatchRequestSchema>): Promise<void> {
    try {
      const options = { signal: this.#abort.signal, timeoutMs: 0 };
      for await (const message of client.state.watch(request, options)) this.messages.push(message);
      this.ended = null;
    } catch (error) {
      this.ended = this.#abort.signal.aborted ? null : error;
    }
  }
}

/** A row as text that two rows share exactly if they say the same; what is the message's own time is left out. */
export function itemText(item: WatchItem): string {
  const copy = structuredClone(toJson(WatchItemSchema, item)) as {
    pane?: { observation?: { observedAt?: string } };
  };
  delete copy.pane?.observation?.observedAt;
  return JSON.stringify(copy);
}

export function itemKey({ item }: WatchItem): string {
  const id = item.value?.identity;
  if (id === undefined) throw new Error("an item without identity");
  const { $typeName: _type, ...words } = id;
  return JSON.stringify(Object.values(words));
}

/** What a reader of these messages, in their order, believes. */
export function fold(
  messages: readonly WatchResponse[],
  upTo = Number.POSITIVE_INFINITY,
): Map<string, string> {
  const rows = new Map<string, string>();
  for (const message of messages) {
    if (Number(message.sequence) > upTo) break;
    if (message.type === WatchType.SNAPSHOT) {
      rows.clear();
      for (const item of message.items) rows.set(itemKey(item), itemText(item));
    }
    for (const { op, identity, item } of message.changes) {
      if (identity.value === undefined) throw new Error("a change without identity");
      const { $typeName: _type, ...words } = identity.value;
      const key = JSON.stringify(Object.values(words));
      if (op === ChangeOp.DELETE) rows.delete(key);
      else if (item !== undefined) rows.set(key, itemText(item));
    }
  }
  return rows;
}

/** Rows of a list as the items that a stream would have carried. */
export function listed(rows: {
  panes?: readonly MessageInitShape<typeof PaneSchema>[];
  windows?: readonly MessageInitShape<typeof WindowSchema>[];
  sessions?: readonly MessageInitShape<typeof SessionSchema>[];
}): Map<string, string> {
  const items = [
    ...(rows.panes ?? []).map((value) =>
      create(WatchItemSchema, { item: { case: "pane", value: create(PaneSchema, value) } }),
    ),
    ...(rows.windows ?? []).map((value) =>
      create(WatchItemSchema, { item: { case: "window", value: create(WindowSchema, value) } }),
    ),
    ...(rows.sessions ?? []).map((value) =>
      create(WatchItemSchema, { item: { case: "session", value: create(SessionSchema, value) } }),
    ),
  ];
  return new Map(items.map((item) => [itemKey(item), itemText(item)]));
}
