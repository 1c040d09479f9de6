import { homedir } from "node:os";
import {
  type GetHookStatusResponse,
  type HookFile,
  HookFileAction,
  HookInstallState,
  HookService,
  type HookTrace,
} from "../../../gen/agtmux/v1/hook_pb.js";
import type { Context } from "./context.js";
import type { Io } from "./io.js";
import { fact, type JsonObject, time } from "./json.js";
import { tableView } from "./list.js";
import { printable, safeJson } from "./printable.js";
import type { TableView } from "./tables.js";
import { textTable } from "./text-table.js";

export interface HookOptions {
  readonly agent?: readonly string[] | undefined;
  readonly target?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Settings of the caller that move an agent's configuration. */
const MOVES_CONFIGURATION = ["CLAUDE_CONFIG_DIR", "CODEX_HOME"];

const ACTION_WORDS: Readonly<Record<HookFileAction, string>> = {
  [HookFileAction.UNSPECIFIED]: "",
  [HookFileAction.UNCHANGED]: "unchanged",
  [HookFileAction.CREATE]: "create",
  [HookFileAction.UPDATE]: "update",
  [HookFileAction.RESTORE]: "restore",
  [HookFileAction.STRIP]: "strip",
  [HookFileAction.REMOVE]: "remove",
};

const STATE_WORDS: Readonly<Record<HookInstallState, string>> = {
  [HookInstallState.UNSPECIFIED]: "",
  [HookInstallState.ABSENT]: "absent",
  [HookInstallState.CURRENT]: "current",
  [HookInstallState.OUTDATED]: "outdated",
  [HookInstallState.UNREADABLE]: "unreadable",
  [HookInstallState.INACTIVE]: "inactive",
};

function scopeOf(io: Io, options: HookOptions) {
  const environment: Record<string, string> = {};
  for (const name of MOVES_CONFIGURATION) {
    const value = io.env[name];
    if (value) environment[name] = value;
  }
  return {
    target: options.target ?? "host",
    agents: [...(options.agent ?? [])],
    home: io.env["HOME"] || homedir(),
    environment,
  };
}

function fileJson(file: HookFile): JsonObject {
  return {
    ...fact("agent_type", file.agentType),
    path: printable(file.path),
    action: ACTION_WORDS[file.action] ?? "",
    summary: printable(file.summary),
    ...fact("backup_path", printable(file.backupPath)),
    bytes_after: Number(file.bytesAfter),
  };
}

function traceJson(trace: HookTrace): JsonObject {
  return {
    ...fact("agent_type", trace.agentType),
    path: printable(trace.path),
    message: printable(trace.message),
  };
}

function traceLines(traces: readonly HookTrace[], view: TableView): string[] {
  return traces.map((trace) =>
    view.palette.warning(`note: ${printable(trace.path)}: ${printable(trace.message)}`),
  );
}

interface Outcome {
  readonly schemaVersion: number;
  readonly files: readonly HookFile[];
  readonly traces: readonly HookTrace[];
}

async function printOutcome(io: Io, outcome: Outcome, options: HookOptions): Promise<void> {
  if (options.json) {
    const json = {
      schema_version: outcome.schemaVersion,
      dry_run: options.dryRun ?? false,
      files: outcome.files.map(fileJson),
      traces: outcome.traces.map(traceJson),
    };
    io.stdout.write(`${safeJson(json, 2)}\n`);
    return;
  }
  const view = await tableView(io, outcome);
  const columns = [
    { title: "AGENT", min: 6, shrink: 0 },
    { title: options.dryRun ? "WOULD" : "DONE", min: 9, shrink: 0 },
    { title: "FILE", min: 16, shrink: 2 },
    { title: "WHAT", min: 10, shrink: 5 },
  ];
  const rows = outcome.files.map((file) => [
    { text: printable(file.agentType) || "-" },
    { text: ACTION_WORDS[file.action] ?? "" },
    { text: printable(file.path) },
    { text: printable(file.summary) },
  ]);
  const table =
    rows.length > 0
      ? textTable(columns, rows, view, view.palette.header)
      : ["Nothing to do: no configuration folder or binary of a known agent was found."];
  io.stdout.write(`${[...table, ...traceLines(outcome.traces, view)].join("\n")}\n`);
}

/** `agtmux hooks install` */
export async function installHooks(context: Context, options: HookOptions): Promise<void> {
  const hooks = context.client(HookService);
  const scope = scopeOf(context.io, options);
  const outcome = options.dryRun
    ? await hooks.planHooks({ scope, remove: false })
    : await hooks.applyHooks({ scope });
  await printOutcome(context.io, outcome, options);
}

/** `agtmux hooks uninstall` */
export async function uninstallHooks(context: Context, options: HookOptions): Promise<void> {
  const hooks = context.client(HookService);
  const scope = scopeOf(context.io, options);
  const outcome = options.dryRun
    ? await hooks.planHooks({ scope, remove: true })
    : await hooks.removeHooks({ scope });
  await printOutcome(context.io, outcome, options);
}

function statusJson(status: GetHookStatusResponse): JsonObject {
  return {
    schema_version: status.schemaVersion,
    ...time("generated_at", status.generatedAt),
    script_path: printable(status.scriptPath),
    agents: status.agents.map((agent) => ({
      agent_type: agent.agentType,
      path: printable(agent.path),
      state: STATE_WORDS[agent.state] ?? "",
      message: printable(agent.message),
      agent_present: agent.agentPresent,
    })),
    traces: status.traces.map(traceJson),
  };
}

/** `agtmux hooks status` */
export async function hookStatus(context: Context, options: HookOptions): Promise<void> {
  const { io } = context;
  const status = await context.client(HookService).getHookStatus({ scope: scopeOf(io, options) });
  if (options.json) {
    io.stdout.write(`${safeJson(statusJson(status), 2)}\n`);
    return;
  }
  const view = await tableView(io, status);
  const columns = [
    { title: "AGENT", min: 6, shrink: 0 },
    { title: "FOUND", min: 5, shrink: 0 },
    { title: "HOOKS", min: 10, shrink: 0 },
    { title: "FILE", min: 16, shrink: 2 },
    { title: "WHAT", min: 10, shrink: 5 },
  ];
  const rows = status.agents.map((agent) => [
    { text: printable(agent.agentType) },
    { text: agent.agentPresent ? "yes" : "no" },
    { text: STATE_WORDS[agent.state] ?? "" },
    { text: printable(agent.path) },
    { text: printable(agent.message) },
  ]);
  const table = textTable(columns, rows, view, view.palette.header);
  io.stdout.write(`${[...table, ...traceLines(status.traces, view)].join("\n")}\n`);
}
