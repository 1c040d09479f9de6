import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { ActionService, Outcome, ResultCode } from "../../../gen/agtmux/v1/action_pb.js";
import {
  AgentState,
  ErrorCode,
  ErrorDetailSchema,
  SignalSource,
  TargetHealth,
  TargetKind,
} from "../../../gen/agtmux/v1/common_pb.js";
import { DaemonService } from "../../../gen/agtmux/v1/daemon_pb.js";
import { EventService } from "../../../gen/agtmux/v1/event_pb.js";
import { HookFileAction, HookInstallState, HookService } from "../../../gen/agtmux/v1/hook_pb.js";
import {
  ChangeOp,
  StateService,
  type WatchChange,
  type WatchItem,
  type WatchResponse,
  WatchResponseSchema,
  WatchScope,
  WatchType,
} from "../../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../../gen/agtmux/v1/target_pb.js";
import { ACTIONS } from "./action-samples.js";
import { NOW } from "./fake-io.js";
import { agentPane, ago, RUNTIME, samplePanes, sampleSessions, sampleWindows } from "./samples.js";

/** A pid that no process can have on Linux. */
const NO_PID = 4_194_305n;

const AT = { schemaVersion: 1, generatedAt: timestampFromDate(NOW) };

const VM = {
  name: "vm1",
  kind: TargetKind.SSH,
  sshTarget: "vm1.lan",
  tmuxSocket: "work",
  health: TargetHealth.DOWN,
  healthReason: "host_key_unknown",
  healthMessage: 'no key of vm1.lan is known; connect once with "ssh vm1.lan"',
  tmuxVersion: "3.4",
  bootId: "9:1",
  lastOkAt: ago(90),
  createdAt: ago(9_000),
};
const HOST = { name: "host", kind: TargetKind.LOCAL, health: TargetHealth.OK, createdAt: ago(9_000) };

const TRACE = {
  agentType: "codex",
  path: "/home/u/.codex/config.toml",
  message: "Codex asks once to trust them",
};
const FILES = [
  {
    path: "/state/hooks/agtmux-hook",
    action: HookFileAction.CREATE,
    summary: "the script",
    bytesAfter: 700n,
  },
  {
    agentType: "claude",
    path: "/home/u/.claude/settings.json",
    action: HookFileAction.UPDATE,
    summary: "adds 9 hooks",
    backupPath: "/home/u/.claude/settings.json.agtmux-backup",
    bytesAfter: 900n,
  },
];

const HEALTH = {
  ...AT,
  version: "0.1.0",
  contractHash: "cd".repeat(32),
  instanceId: "i1",
  pid: NO_PID,
  startedAt: ago(3_700),
  socketPath: "/run/user/5/agtmux/agtmuxd.sock",
  stateDir: "/home/u/.local/state/agtmux",
  nodeVersion: "v24.21.0",
  watchers: 3,
  targets: [HOST, VM],
  adapters: [
    { agentType: "claude", contractVersion: "1.0", runtimes: 2, degradations: ["no session files"] },
  ],
  channels: [
    {
      agentType: "claude",
      source: SignalSource.NATIVE,
      channel: "session_file",
      accepted: 12n,
      duplicates: 1n,
      lastAt: ago(4),
    },
  ],
  degradations: [{ code: "doorbell_lost", subject: "host", message: "polling only", since: ago(30) }],
};

const ENDED = agentPane(1, AgentState.IDLE, {
  channel: "title",
  endedAt: ago(5),
  endReason: "exited",
  exitStatus: 1,
});

const EVENTS = [
  {
    eventId: "e2",
    runtimeId: RUNTIME,
    eventType: "Stop",
    agentType: "claude",
    source: SignalSource.HOOK,
    eventTime: ago(2),
    effectiveAt: ago(2),
    ingestedAt: ago(1),
    transition: "turn_ended",
    attributes: { stop_reason: "end_turn" },
    actionId: "a1",
  },
  {
    eventId: "e1",
    runtimeId: RUNTIME,
    eventType: "Odd",
    agentType: "claude",
    source: SignalSource.NATIVE,
    channel: "session_file",
    eventTime: ago(9),
    effectiveAt: ago(9),
    ingestedAt: ago(8),
    spooled: true,
    late: true,
  },
];

type Init = Omit<Exclude<MessageInitShape<typeof WatchResponseSchema>, Message>, "$typeName" | "$unknown">;

function message(scope: WatchScope, type: WatchType, sequence: number, more: Init): WatchResponse {
  return create(WatchResponseSchema, {
    ...AT,
    emittedAt: timestampFromDate(new Date(NOW.getTime() + 5)),
    streamId: "s1",
    cursor: `s1:${sequence}`,
    scope,
    type,
    sequence: BigInt(sequence),
    filter: { sessions: ["work"], agents: ["claude"], needsAction: false },
    summary: { total: 1, byState: { running: 1 }, byAgent: { claude: 1 }, byTarget: { host: 1 } },
    requestedTargets: ["host", "vm1"],
    respondedTargets: ["host"],
    partial: true,
    targetErrors: [{ target: "vm1", code: ErrorCode.E_TARGET_UNREACHABLE, message: "timed out" }],
    ...more,
  });
}

/** An item of a scope in a snapshot, and its changes. */
function first(scope: WatchScope): Pick<Init, "items" | "changes"> {
  const told = (item: WatchItem["item"], identity: WatchChange["identity"]) => ({
    items: [{ item }],
    changes: [
      { op: ChangeOp.UPSERT, identity, item: { item } },
      { op: ChangeOp.DELETE, identity },
    ],
  });
  if (scope === WatchScope.PANES) {
    const pane = agentPane(1, AgentState.WAITING_APPROVAL, { promptId: "p-1", promptText: "Run it?" });
    if (pane.identity === undefined) throw new Error("a pane has an identity");
    return told({ case: "pane", value: pane }, { case: "pane", value: pane.identity });
  }
  if (scope === WatchScope.WINDOWS) {
    const [, window] = sampleWindows().windows;
    if (window?.identity === undefined) throw new Error("a window has an identity");
    return told({ case: "window", value: window }, { case: "window", value: window.identity });
  }
  const [session] = sampleSessions().sessions;
  if (session?.identity === undefined) throw new Error("a session has an identity");
  return told({ case: "session", value: session }, { case: "session", value: session.identity });
}

/** A stream of each type of message, in the scope that was asked for. */
export function streamOf(scope: WatchScope): WatchResponse[] {
  const { items, changes } = first(scope);
  return [
    message(scope, WatchType.SNAPSHOT, 7, items === undefined ? {} : { items }),
    message(scope, WatchType.DELTA, 8, { coalesced: true, ...(changes === undefined ? {} : { changes }) }),
    message(scope, WatchType.DELTA, 9, {}),
    message(scope, WatchType.BOOKMARK, 9, {}),
    message(scope, WatchType.RESET, 12, { resetReason: "too_slow" }),
  ];
}

/** Answers every read with something that has every fact, and fails to explain. */
export function fullDaemon(router: ConnectRouter): void {
  router.service(StateService, {
    listPanes: () => ({ ...samplePanes(), panes: [ENDED] }),
    explainPane: () => {
      const detail = {
        code: ErrorCode.E_RUNTIME_STALE,
        message: "that runtime has ended",
        details: { ref: "runtime:ab" },
        retryable: true,
      };
      throw new ConnectError("x", Code.FailedPrecondition, undefined, [
        { desc: ErrorDetailSchema, value: detail },
      ]);
    },
    async *watch({ scope }, { signal }) {
      yield* streamOf(scope);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  });
  router.service(EventService, { listEvents: () => ({ ...AT, events: EVENTS, nextPageToken: "8:e1" }) });
  const result = { actionId: "a-9", resultCode: ResultCode.OK, completedAt: ago(0), message: "done" };
  const done = { schemaVersion: 1, result };
  router.service(ActionService, {
    attach: () => ({ ...done, argv: ["tmux", "-S", "/tmp/s", "attach-session", "-t", "$1"] }),
    send: () => ({ ...done, submitted: Outcome.YES }),
    approve: () => ({ ...done, closed: Outcome.UNKNOWN }),
    deny: () => ({ schemaVersion: 1, result: { ...result, replayed: true }, closed: Outcome.YES }),
    interrupt: () => ({ ...done, stopped: Outcome.NO }),
    viewOutput: () => ({
      ...done,
      lines: ["$ make", "\u001b[31mfailed\u001b[0m"],
      truncated: true,
      promptId: "p-1",
      promptText: "Run it?\n  1. Yes",
    }),
    kill: () => ({
      schemaVersion: 1,
      result: { ...result, resultCode: ResultCode.RESULT_UNKNOWN },
      ended: Outcome.UNKNOWN,
    }),
    listActions: () => ({ ...AT, actions: ACTIONS, nextPageToken: "8.a-1" }),
  });
  router.service(TargetService, {
    addTarget: () => ({ schemaVersion: 1, target: VM }),
    listTargets: () => ({ ...AT, targets: [HOST, VM] }),
    removeTarget: () => ({ schemaVersion: 1, endedRuntimes: 2 }),
  });
  router.service(HookService, {
    applyHooks: () => ({ schemaVersion: 1, files: FILES, traces: [TRACE] }),
    getHookStatus: () => ({
      ...AT,
      scriptPath: "/state/hooks/agtmux-hook",
      agents: [
        {
          agentType: "claude",
          path: "/home/u/.claude/settings.json",
          state: HookInstallState.CURRENT,
          message: "9 of 9 entries",
          agentPresent: true,
        },
      ],
      traces: [TRACE],
    }),
  });
  router.service(DaemonService, {
    getHealth: () => HEALTH,
    shutdown: () => ({ schemaVersion: 1, instanceId: "i1", pid: NO_PID }),
    getConfig: () => ({
      ...AT,
      entries: [
        { key: "bookmark_ms", value: "15000", defaultValue: "15000", origin: "default" },
        { key: "tmux_binary", value: '"/opt/tmux"', defaultValue: '"tmux"', origin: "file" },
      ],
    }),
  });
}
