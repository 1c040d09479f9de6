import { create } from "@bufbuild/protobuf";
import {
  type Agtmux,
  ChangeOp,
  type WatchItem,
  WatchItemSchema,
  type WatchResponse,
  WatchType,
} from "../../../src/client/index.js";
import { stateName } from "../../../src/server/watch/rows.js";
import { itemKey, itemText } from "../../daemon/support/watcher.js";
import type { History, ToldMessage, ToldRow } from "./history.js";

const TYPES: Partial<Record<WatchType, ToldMessage["type"]>> = {
  [WatchType.SNAPSHOT]: "snapshot",
  [WatchType.DELTA]: "delta",
  [WatchType.RESET]: "reset",
  [WatchType.BOOKMARK]: "bookmark",
};

function row(item: WatchItem): ToldRow {
  const told = { key: itemKey(item), text: itemText(item) };
  const agent = item.item.case === "pane" ? item.item.value.agent : undefined;
  if (agent === undefined) return told;
  return {
    ...told,
    agent: {
      runtimeId: agent.runtimeId,
      state: stateName(agent.state) ?? "",
      reason: agent.reasonCode,
      version: Number(agent.stateVersion),
    },
  };
}

/** A watch message as the history keeps it. */
export function toldMessage(message: WatchResponse): ToldMessage {
  const type = TYPES[message.type];
  if (type === undefined) throw new Error(`a watch message of type ${message.type}`);
  return {
    type,
    streamId: message.streamId,
    sequence: Number(message.sequence),
    cursor: message.cursor,
    reason: message.resetReason,
    coalesced: message.coalesced,
    items: message.items.map(row),
    changes: message.changes.map(({ op, identity, item }) => {
      if (identity.value === undefined) throw new Error("a change without identity");
      const { $typeName: _type, ...words } = identity.value;
      const key = JSON.stringify(Object.values(words));
      return op === ChangeOp.DELETE || item === undefined ? { key } : { key, row: row(item) };
    }),
  };
}

type Request = Parameters<Agtmux["state"]["watch"]>[0] & {
  readonly filter: { readonly includePlain: boolean };
};

async function snapshot(client: Agtmux, request: Request): Promise<ToldMessage> {
  const abort = new AbortController();
  try {
    for await (const message of client.state.watch(request, { signal: abort.signal, timeoutMs: 5_000 })) {
      return toldMessage(message);
    }
    throw new Error("a stream ended before its first message");
  } finally {
    abort.abort();
  }
}

/**
 * Reads what is shown at a sequence. A list of panes does not say at which one it was made: it is taken between the
 * first messages of two streams and counts only if they say the same one.
 */
export async function readNow(client: Agtmux, request: Request, history: History): Promise<void> {
  const before = await snapshot(client, request);
  const { panes } = await client.state.listPanes({ filter: request.filter });
  const after = await snapshot(client, request);
  for (const { streamId, sequence, items } of [before, after])
    history.add({ kind: "read", streamId, sequence, rows: items });
  if (before.streamId !== after.streamId || before.sequence !== after.sequence) return;
  const rows = panes.map((value) => row(create(WatchItemSchema, { item: { case: "pane", value } })));
  history.add({ kind: "read", streamId: after.streamId, sequence: after.sequence, rows });
}
