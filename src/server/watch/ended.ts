import { create } from "@bufbuild/protobuf";
import { type Pane, PaneSchema } from "../../../gen/agtmux/v1/state_pb.js";
import { emptyFoldStatus } from "../engine/fold.js";
import type { RuntimeRecord } from "../store/runtime-store.js";
import type { StateRecord } from "../store/state-store.js";
import { agentStatus, paneRef } from "./rows.js";

/** The row of a runtime that has ended: where it was last seen, and its last state. */
export function endedPane(record: RuntimeRecord, state: StateRecord | undefined): Pane {
  const identity = {
    target: record.targetId,
    sessionName: record.session,
    windowId: record.windowId,
    paneId: record.paneId,
  };
  const last: StateRecord = state ?? {
    runtimeId: record.runtimeId,
    status: emptyFoldStatus(Number(record.startedAtNs / 1_000n)),
    stateVersion: 1,
    updatedAt: record.createdAt,
    promptId: "",
  };
  return create(PaneSchema, {
    identity,
    ref: paneRef(identity),
    panePid: BigInt(record.panePid),
    cwd: record.cwd,
    observation: { runtimeId: record.runtimeId, stateVersion: BigInt(last.stateVersion) },
    agent: { ...agentStatus({ record, state: last, promptText: "" }), needsAction: false },
  });
}
