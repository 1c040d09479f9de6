import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AgentState, Confidence, ErrorCode, SignalSource } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type AgentStatusSchema,
  ListPanesResponseSchema,
  ListSessionsResponseSchema,
  ListWindowsResponseSchema,
  type Pane,
  PaneSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import { NOW } from "./fake-io.js";

export function ago(seconds: number) {
  return timestampFromDate(new Date(NOW.getTime() - seconds * 1_000));
}

export const RUNTIME = "ab".repeat(32);

/** A message's fields as a plain object. */
type PlainInit<T extends DescMessage> = Omit<Exclude<MessageInitShape<T>, Message>, "$typeName" | "$unknown">;

/** A pane `%n` in window `@n` that runs an agent. */
export function agentPane(
  n: number,
  state: AgentState,
  agent: PlainInit<typeof AgentStatusSchema> = {},
  pane: PlainInit<typeof PaneSchema> = {},
): Pane {
  const needsAction = [AgentState.WAITING_APPROVAL, AgentState.WAITING_INPUT, AgentState.ERROR].includes(
    state,
  );
  return create(PaneSchema, {
    identity: { target: "host", sessionName: "work", windowId: `@${n}`, paneId: `%${n}` },
    ref: `pane:host/work/@${n}/%${n}`,
    windowName: "api",
    windowIndex: n,
    paneIndex: 0,
    panePid: BigInt(4_000 + n),
    currentCommand: "claude",
    title: "Fix the login form",
    cwd: "/home/u/src/shop",
    observation: { runtimeId: RUNTIME, stateVersion: 17n },
    agent: {
      runtimeId: RUNTIME,
      agentType: "claude",
      agentPid: 4242n,
      agentSessionId: "5a7c",
      state,
      reasonCode: "turn",
      confidence: Confidence.HIGH,
      source: SignalSource.HOOK,
      stateVersion: 17n,
      since: ago(65),
      updatedAt: ago(60),
      needsAction,
      ...agent,
    },
    ...pane,
  });
}

export function plainPane(n: number): Pane {
  return create(PaneSchema, {
    identity: { target: "host", sessionName: "notes", windowId: `@${n}`, paneId: `%${n}` },
    ref: `pane:host/notes/@${n}/%${n}`,
    windowName: "zsh",
    windowIndex: 0,
    paneIndex: 1,
    panePid: 77n,
    currentCommand: "vim",
    cwd: "/home/u",
    observation: { bootId: "100:5", paneId: `%${n}`, panePid: 77n },
  });
}

/** Two targets, one of which does not respond; every state that a table must tell apart. */
export function samplePanes() {
  return create(ListPanesResponseSchema, {
    schemaVersion: 1,
    generatedAt: timestampFromDate(NOW),
    filter: { states: [AgentState.RUNNING], needsAction: true, includePlain: true },
    partial: true,
    requestedTargets: ["host", "vm1"],
    respondedTargets: ["host"],
    targetErrors: [
      {
        target: "vm1",
        code: ErrorCode.E_TARGET_UNREACHABLE,
        message: "connection timed out",
        lastOkAt: ago(200),
      },
    ],
    summary: {
      total: 4,
      byState: { running: 1, waiting_approval: 1, idle: 1, error: 1 },
      byAgent: { claude: 3, codex: 1 },
      byTarget: { host: 4 },
    },
    panes: [
      agentPane(1, AgentState.RUNNING),
      agentPane(
        2,
        AgentState.IDLE,
        { agentType: "codex", since: ago(4_000) },
        { title: "", alsoIn: ["mob"] },
      ),
      agentPane(3, AgentState.WAITING_APPROVAL, {
        reasonCode: "permission_request",
        promptId: "p-1",
        promptText: "Do you want to run\n  rm -rf build?",
      }),
      agentPane(4, AgentState.ERROR, {
        reasonCode: "api_error",
        source: SignalSource.NATIVE,
        channel: "session_file",
        since: ago(3),
      }),
      plainPane(5),
    ],
  });
}

const ROLLUP = {
  state: AgentState.WAITING_APPROVAL,
  agents: 2,
  panes: 3,
  needsAction: 1,
  waiting: 1,
  running: 1,
  byState: { waiting_approval: 1, running: 1 },
  byAgent: { claude: 2 },
};

const LISTING = {
  schemaVersion: 1,
  generatedAt: timestampFromDate(NOW),
  requestedTargets: ["host"],
  respondedTargets: ["host"],
  summary: {
    total: 2,
    byState: { waiting_approval: 1, running: 1 },
    byAgent: { claude: 2 },
    byTarget: { host: 2 },
  },
};

export function sampleWindows() {
  return create(ListWindowsResponseSchema, {
    ...LISTING,
    windows: [
      {
        identity: { target: "host", sessionName: "work", windowId: "@2" },
        windowName: "docs",
        windowIndex: 2,
      },
      {
        identity: { target: "host", sessionName: "work", windowId: "@1" },
        windowName: "api",
        windowIndex: 1,
        rollup: ROLLUP,
      },
    ],
  });
}

export function sampleSessions() {
  return create(ListSessionsResponseSchema, {
    ...LISTING,
    sessions: [
      {
        identity: { target: "host", sessionName: "work" },
        sessionId: "$1",
        windows: 2,
        attached: 1,
        rollup: ROLLUP,
      },
      {
        identity: { sessionName: "shared" },
        windows: 3,
        rollup: ROLLUP,
        parts: [
          { target: "host", sessionId: "$2", rollup: ROLLUP },
          { target: "vm1", sessionId: "$1", rollup: ROLLUP },
        ],
      },
    ],
  });
}
