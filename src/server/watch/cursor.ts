import { createHash } from "node:crypto";
import { toJsonString } from "@bufbuild/protobuf";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { type Filter, FilterSchema, type WatchScope } from "../../../gen/agtmux/v1/state_pb.js";
import { ContractError } from "../contract-error.js";

const CURSOR = /^([0-9a-f]{32}):(0|[1-9][0-9]{0,15})$/u;

/** Names a stream: one daemon life, one scope, one filter. Opaque to clients. */
export function streamId(instanceId: string, scope: WatchScope, filter: Filter): string {
  // Equal filters must give equal ids: lists are sets here.
  const sets = {
    ...filter,
    targets: [...new Set(filter.targets)].sort(),
    targetSessions: [...new Set(filter.targetSessions)].sort(),
    sessions: [...new Set(filter.sessions)].sort(),
    states: [...new Set(filter.states)].sort((a, b) => a - b),
    agents: [...new Set(filter.agents)].sort(),
  };
  const words = `${instanceId}\n${scope}\n${toJsonString(FilterSchema, sets)}`;
  return createHash("sha256").update(words).digest("hex").slice(0, 32);
}

export function formatCursor(stream: string, sequence: number): string {
  return `${stream}:${sequence}`;
}

/** Where a reader that brings a cursor goes on. */
export type Resume =
  | { readonly kind: "live"; readonly sequence: number }
  | { readonly kind: "expired"; readonly reason: "cursor_expired" | "stream_changed" };

/**
 * Reads a cursor against the stream it is brought to. Throws ContractError E_CURSOR_INVALID if it cannot be parsed or
 * lies in the future.
 */
export function resume(cursor: string, stream: string, reach: number, head: number): Resume {
  const match = CURSOR.exec(cursor);
  const [, id, digits] = match ?? [];
  const sequence = Number(digits);
  if (id === undefined || !Number.isSafeInteger(sequence)) {
    throw new ContractError(ErrorCode.E_CURSOR_INVALID, "the cursor is not one that a watch message gave");
  }
  if (id !== stream) return { kind: "expired", reason: "stream_changed" };
  if (sequence > head) throw new ContractError(ErrorCode.E_CURSOR_INVALID, "the cursor lies in the future");
  return sequence < reach ? { kind: "expired", reason: "cursor_expired" } : { kind: "live", sequence };
}
