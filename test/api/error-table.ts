import { join } from "node:path";
import type { JsonValue } from "@bufbuild/protobuf";
import { ActionService } from "../../gen/agtmux/v1/action_pb.js";
import { DaemonService } from "../../gen/agtmux/v1/daemon_pb.js";
import { HookService } from "../../gen/agtmux/v1/hook_pb.js";
import { IngestService } from "../../gen/agtmux/v1/ingest_pb.js";
import { StateService } from "../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../gen/agtmux/v1/target_pb.js";
import type { RefusedActions } from "./error-table-actions.js";
import type { Call } from "./error-table-doors.js";
import type { CliRun, ErrorStage } from "./error-table-stage.js";

/** A command line that is to fail. */
export interface CommandLine {
  /** Runs it with `extra` words at its end. */
  readonly run: (stage: ErrorStage, ...extra: string[]) => Promise<CliRun>;
  /** Why it does not print its errors as JSON; most commands do with `--json`. */
  readonly noJson?: string;
  /** The API's call and this are one and the same, so that message and facts are, too. */
  readonly likeApi?: true;
}

/** How to have an error for real, wherever it can be had; where it cannot, why. */
export interface Scenario {
  readonly api: string | ((stage: ErrorStage) => readonly Call[]);
  readonly cli: string | CommandLine;
  /** Which target a list names with this code; the socket of the daemon whose list it is. */
  readonly listed?: (stage: ErrorStage) => { readonly target: string; readonly socketPath: string };
}

const cli = (words: string, env?: (stage: ErrorStage) => Record<string, string>): CommandLine => ({
  run: (stage, ...extra) => stage.cli([...words.split(" "), ...extra], env?.(stage)),
});

const like = (words: string, env?: (stage: ErrorStage) => Record<string, string>): CommandLine => ({
  ...cli(words, env),
  likeApi: true,
});

/** An action at the command line that is refused. */
const acting = (command: string, which: keyof RefusedActions, ...words: string[]): CommandLine => ({
  run: (stage, ...extra) => {
    const env = which === "unguarded" ? { AGTMUX_STATE_DIR: stage.guardless.stateDir } : {};
    return stage.cli([command, ...stage.refused[which].words, ...words, ...extra], env);
  },
});

const { explainPane, watch } = StateService.method;
const actions = ActionService.method;
const NO_JSON = "watch has no --json: its errors are for whoever reads stderr";
const AT_THE_CLI = "it arises at the CLI";

const explain = (ref: string) => (stage: ErrorStage) => [
  { method: explainPane, request: { ref }, at: stage.socketPath },
];
/** What a ref is refused with, by a read and by an action. */
const named = (ref: string) => (stage: ErrorStage) => [
  ...explain(ref)(stage),
  {
    method: actions.viewOutput,
    request: { target: { ...stage.refused.unasked.target, ref, requestRef: "by a bad ref" } },
    at: stage.socketPath,
  },
];
const watching = (request: JsonValue) => (stage: ErrorStage) => [
  { method: watch, request, at: stage.socketPath },
];

/** By the name of the code. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  E_REF_INVALID: { api: named("pane:lab/work/0/0"), cli: like("explain pane:lab/work/0/0") },
  E_REF_INVALID_ENCODING: { api: named("pane:lab/%ff/@0/%0"), cli: like("explain pane:lab/%ff/@0/%0") },
  E_REF_NOT_FOUND: { api: named("pane:lab/none/@9/%99"), cli: like("explain pane:lab/none/@9/%99") },
  E_REF_AMBIGUOUS: { api: AT_THE_CLI, cli: cli("explain work") },
  E_RUNTIME_STALE: {
    api: (stage) => named(`runtime:${stage.endedRuntime}`)(stage),
    cli: {
      run: (stage, ...extra) => stage.cli(["explain", `runtime:${stage.endedRuntime}`, ...extra]),
      likeApi: true,
    },
  },
  E_PRECONDITION_FAILED: {
    api: (stage) => [
      {
        method: HookService.method.applyHooks,
        request: { scope: { agents: ["claude"], home: stage.brokenHome } },
        at: stage.socketPath,
      },
      { method: actions.approve, request: { target: stage.refused.unasked.target }, at: stage.socketPath },
    ],
    cli: like("hooks install --agent claude", (stage) => ({ HOME: stage.brokenHome })),
  },
  E_SNAPSHOT_EXPIRED: {
    api: ({ refused, socketPath }) => [
      { method: actions.interrupt, request: { target: refused.expired.target }, at: socketPath },
    ],
    cli: acting("interrupt", "expired"),
  },
  E_IDEMPOTENCY_CONFLICT: {
    api: ({ refused, socketPath }) => [
      {
        method: actions.viewOutput,
        request: { target: refused.conflicting.target, lines: 2 },
        at: socketPath,
      },
    ],
    cli: acting("view-output", "conflicting", "--lines", "3"),
  },
  E_PID_UNAVAILABLE: {
    api: ({ refused, socketPath }) => [
      {
        method: actions.kill,
        request: {
          target: refused.pidless.target,
          mode: "KILL_MODE_SIGNAL",
          signal: "KILL_SIGNAL_TERM",
          confirmed: true,
        },
        at: socketPath,
      },
    ],
    cli: acting("kill", "pidless", "--mode", "signal", "--signal", "TERM", "--yes"),
  },
  E_UNSUPPORTED: {
    api: ({ guardless, refused }) => [
      {
        method: actions.send,
        request: { target: refused.unguarded.target, key: "PageUp" },
        at: guardless.socketPath,
      },
    ],
    cli: acting("send", "unguarded", "--key", "PageUp"),
  },
  E_CURSOR_INVALID: {
    api: watching({ cursor: "bad" }),
    cli: { ...like("watch --format jsonl --cursor bad"), noJson: NO_JSON },
  },
  E_CURSOR_EXPIRED: {
    api: watching({ cursor: `${"0".repeat(32)}:1`, strict: true }),
    cli: "watch never asks strictly: it shows the reset and the new picture",
  },
  E_TARGET_UNREACHABLE: {
    api: ({ refused, socketPath }) => [
      { method: actions.viewOutput, request: { target: refused.unreachable.target }, at: socketPath },
    ],
    listed: ({ socketPath }) => ({ target: "gone", socketPath }),
    cli: { ...acting("view-output", "unreachable"), likeApi: true },
  },
  E_TARGET_NOT_FOUND: {
    api: (stage) => [
      { method: TargetService.method.connectTarget, request: { name: "none" }, at: stage.socketPath },
    ],
    cli: like("target connect none"),
  },
  E_TARGET_EXISTS: {
    api: (stage) => [
      {
        method: TargetService.method.addTarget,
        request: { name: "lab", kind: "TARGET_KIND_LOCAL" },
        at: stage.socketPath,
      },
    ],
    cli: like("target add lab --kind local"),
  },
  E_TMUX_UNSUPPORTED: {
    api: "no call of a local target fails with it: its rows and its health say it",
    listed: ({ outdated }) => ({ target: "host", socketPath: outdated.socketPath }),
    cli: cli("target connect host", ({ outdated }) => ({ AGTMUX_STATE_DIR: outdated.stateDir })),
  },
  E_INVALID_ARGUMENT: {
    api: (stage) => [
      {
        method: TargetService.method.addTarget,
        request: { name: "a/b", kind: "TARGET_KIND_LOCAL" },
        at: stage.socketPath,
      },
    ],
    cli: like("target add a/b --kind local"),
  },
  E_CONFIRMATION_REQUIRED: {
    api: ({ refused, socketPath }) => [
      { method: actions.kill, request: { target: refused.unasked.target }, at: socketPath },
    ],
    cli: cli("target remove lab"),
  },
  E_UNAUTHENTICATED: {
    api: (stage) => [
      {
        method: explainPane,
        request: {},
        at: stage.socketPath,
        headers: { origin: "http://localhost" },
      },
      { method: explainPane, request: {}, at: stage.tcpAddress },
      { method: watch, request: {}, at: stage.tcpAddress, headers: { authorization: "Bearer wrong" } },
    ],
    cli: "it goes over the socket, which takes no token, and is no web page",
  },
  E_RESOURCE_EXHAUSTED: {
    api: explain("x".repeat(5 * 1024 * 1024)),
    cli: {
      run: (stage, ...extra) => stage.cliWithMuch(["list", "panes", ...extra], "--session", 40, 120_000),
    },
  },
  E_TIMEOUT: {
    api: (stage) => [
      {
        method: TargetService.method.connectTarget,
        request: { name: "stuck" },
        at: stage.socketPath,
        deadlineMs: 300,
      },
      { method: watch, request: {}, at: stage.socketPath, deadlineMs: 300 },
    ],
    cli: cli("list panes", ({ silent }) => ({ AGTMUX_STATE_DIR: silent.stateDir })),
  },
  E_UNIMPLEMENTED: {
    api: (stage) => [
      {
        method: DaemonService.method.getHealth,
        request: {},
        at: stage.socketPath,
        path: "/agtmux.v1.DaemonService/Nothing",
      },
      { method: DaemonService.method.getHealth, request: {}, at: stage.hooksSocket },
    ],
    cli: like("list panes", ({ hooksSocket }) => ({ AGTMUX_SOCKET: hooksSocket })),
  },
  E_DAEMON_UNAVAILABLE: {
    api: "it arises at clients",
    cli: cli("list panes", ({ root }) => ({ AGTMUX_STATE_DIR: join(root, "nowhere") })),
  },
  E_INTERNAL: {
    api: ({ defective }) => {
      const at = join(defective.stateDir, "agtmuxd.sock");
      return [
        { method: IngestService.method.ingestEvents, request: {}, at },
        { method: watch, request: {}, at },
      ];
    },
    cli: {
      ...like("watch --format jsonl --once", ({ defective }) => ({ AGTMUX_STATE_DIR: defective.stateDir })),
      noJson: NO_JSON,
    },
  },
};
