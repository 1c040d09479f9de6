import {
  ChangeOp,
  type WatchChange,
  type WatchItem,
  type WatchResponse,
  WatchScope,
  WatchType,
} from "../../../gen/agtmux/v1/state_pb.js";
import {
  filtersJson,
  type JsonObject,
  paneIdentityJson,
  paneJson,
  sessionIdentityJson,
  sessionJson,
  summaryJson,
  targetErrorJson,
  windowIdentityJson,
  windowJson,
} from "./json.js";
import { rfc3339 } from "./words.js";

const SCOPE_WORDS: Readonly<Record<WatchScope, string>> = {
  [WatchScope.UNSPECIFIED]: "panes",
  [WatchScope.PANES]: "panes",
  [WatchScope.WINDOWS]: "windows",
  [WatchScope.SESSIONS]: "sessions",
};

const TYPE_WORDS: Readonly<Record<WatchType, string>> = {
  [WatchType.UNSPECIFIED]: "",
  [WatchType.SNAPSHOT]: "snapshot",
  [WatchType.DELTA]: "delta",
  [WatchType.RESET]: "reset",
  [WatchType.BOOKMARK]: "bookmark",
};

function itemJson(item: WatchItem, message: WatchResponse): JsonObject {
  switch (item.item.case) {
    case "pane":
      return paneJson(item.item.value, message.emittedAt);
    case "window":
      return windowJson(item.item.value);
    case "session":
      return sessionJson(item.item.value);
    default:
      return {};
  }
}

function identityJson(identity: WatchChange["identity"]): JsonObject {
  switch (identity.case) {
    case "pane":
      return paneIdentityJson(identity.value);
    case "window":
      return windowIdentityJson(identity.value);
    case "session":
      return sessionIdentityJson(identity.value);
    default:
      return {};
  }
}

function changeJson(change: WatchChange, message: WatchResponse): JsonObject {
  const identity = identityJson(change.identity);
  if (change.op === ChangeOp.DELETE) return { op: "delete", identity };
  return { op: "upsert", identity, item: change.item === undefined ? {} : itemJson(change.item, message) };
}

/** One message of a watch stream in the style of docs/spec.md section 10: one line of jsonl. */
export function watchMessageJson(message: WatchResponse): JsonObject {
  const type = TYPE_WORDS[message.type] ?? "";
  return {
    schema_version: message.schemaVersion,
    ...(message.generatedAt === undefined ? {} : { generated_at: rfc3339(message.generatedAt) }),
    ...(message.emittedAt === undefined ? {} : { emitted_at: rfc3339(message.emittedAt) }),
    stream_id: message.streamId,
    cursor: message.cursor,
    scope: SCOPE_WORDS[message.scope] ?? "",
    type,
    sequence: Number(message.sequence),
    filters: filtersJson(message.filter),
    summary: summaryJson(message.summary),
    requested_targets: message.requestedTargets,
    responded_targets: message.respondedTargets,
    partial: message.partial,
    target_errors: message.targetErrors.map(targetErrorJson),
    ...(type === "snapshot" ? { items: message.items.map((item) => itemJson(item, message)) } : {}),
    ...(type === "delta"
      ? {
          changes: message.changes.map((change) => changeJson(change, message)),
          coalesced: message.coalesced,
        }
      : {}),
    ...(type === "reset" ? { reset_reason: message.resetReason } : {}),
  };
}
