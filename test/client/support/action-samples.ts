import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ActionSchema, ResultCode } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ago, RUNTIME } from "./samples.js";

/** One of each kind: done, refused, unknown, on its way; the last to a pane without an agent. */
export const ACTIONS: MessageInitShape<typeof ActionSchema>[] = [
  {
    actionId: "a-4",
    actionType: "send",
    requestRef: "r-4",
    ref: "pane:host/work/@1/%1",
    runtimeId: RUNTIME,
    pane: { target: "host", sessionName: "work", windowId: "@1", paneId: "%1" },
    resultCode: ResultCode.IN_PROGRESS,
    createdAt: ago(1),
    caller: "agtmux/0.1.0 pid=70",
  },
  {
    actionId: "a-3",
    actionType: "approve",
    requestRef: "r-3",
    ref: "pane:host/work/@1/%1",
    runtimeId: RUNTIME,
    pane: { target: "host", sessionName: "work", windowId: "@1", paneId: "%1" },
    resultCode: ResultCode.REFUSED,
    errorCode: ErrorCode.E_PRECONDITION_FAILED,
    message: "another dialog is open than the one that was read: read it first",
    createdAt: ago(20),
    completedAt: ago(19),
    caller: "agtmux/0.1.0 pid=69",
  },
  {
    actionId: "a-2",
    actionType: "kill",
    requestRef: "r-2",
    ref: "pane:vm1/solo/@1/%1",
    runtimeId: RUNTIME,
    pane: { target: "vm1", sessionName: "solo", windowId: "@1", paneId: "%1" },
    resultCode: ResultCode.RESULT_UNKNOWN,
    message: "it may have been sent: timed out",
    createdAt: ago(70),
    completedAt: ago(60),
    caller: "agtmux/0.1.0 pid=68",
  },
  {
    actionId: "a-1",
    actionType: "view_output",
    requestRef: "r-1",
    ref: "pane:host/notes/@3/%3",
    pane: { target: "host", sessionName: "notes", windowId: "@3", paneId: "%3" },
    resultCode: ResultCode.OK,
    message: "12 lines",
    createdAt: ago(80),
    completedAt: ago(80),
  },
];
