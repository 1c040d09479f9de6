import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Action, ActionService } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError, usageError } from "../errors.js";
import { resultWord } from "./action-result.js";
import type { Context } from "./context.js";
import { parseDuration } from "./durations.js";
import { fact, type JsonObject, paneIdentityJson, time } from "./json.js";
import { tableView } from "./list.js";
import { printable, safeJson } from "./printable.js";
import { wholeNumber } from "./read-options.js";
import { resolveRef } from "./resolve-ref.js";
import { type Column, textTable } from "./text-table.js";
import { rfc3339 } from "./words.js";

export interface ActionsOptions {
  readonly runtime?: string | undefined;
  readonly pane?: string | undefined;
  readonly since?: string | undefined;
  readonly limit?: string | undefined;
  readonly id?: string | undefined;
  readonly json?: boolean | undefined;
}

const MOST = 1_000;

const COLUMNS: readonly Column[] = [
  { title: "TIME", min: 24, shrink: 0 },
  { title: "ACTION", min: 6, shrink: 0 },
  { title: "PANE", min: 12, shrink: 2 },
  { title: "RESULT", min: 8, shrink: 0 },
  { title: "WHY", min: 12, shrink: 5 },
  { title: "BY", min: 6, shrink: 3 },
];

/** Actions as they are answered: several, or the one that was asked for. */
export interface ActionList {
  readonly schemaVersion: number;
  readonly generatedAt?: Timestamp | undefined;
  readonly actions: readonly Action[];
  readonly nextPageToken?: string | undefined;
}

/** The refusal's code; empty where nothing was refused. */
function errorWord({ errorCode }: Action): string {
  if (errorCode === ErrorCode.E_UNSPECIFIED) return "";
  return ErrorCode[errorCode] ?? `E_${errorCode}`;
}

function actionJson(action: Action): JsonObject {
  return {
    action_id: printable(action.actionId),
    action_type: printable(action.actionType),
    request_ref: printable(action.requestRef),
    ref: printable(action.ref),
    ...fact("runtime_id", printable(action.runtimeId)),
    identity: paneIdentityJson(action.pane),
    result_code: resultWord(action.resultCode),
    ...fact("error_code", errorWord(action)),
    message: printable(action.message),
    ...time("created_at", action.createdAt),
    ...time("completed_at", action.completedAt),
    ...fact("caller", printable(action.caller)),
  };
}

export function actionsJson(list: ActionList): JsonObject {
  return {
    schema_version: list.schemaVersion,
    ...time("generated_at", list.generatedAt),
    items: list.actions.map(actionJson),
    ...fact("next_page_token", printable(list.nextPageToken ?? "")),
  };
}

/** `target/session %id`. */
function place({ pane }: Action): string {
  return printable(`${pane?.target ?? ""}/${pane?.sessionName ?? ""} ${pane?.paneId ?? ""}`);
}

async function actionsOf(context: Context, options: ActionsOptions): Promise<ActionList> {
  const { io } = context;
  const { id, runtime, pane, since } = options;
  const limit = wholeNumber("--limit", options.limit, MOST);
  const client = context.client(ActionService);
  if (id !== undefined) {
    if ([runtime, pane, since, options.limit].some((option) => option !== undefined))
      throw usageError(
        "--id",
        "--id names one action; it goes without --runtime, --pane, --since and --limit",
      );
    const { schemaVersion, generatedAt, action } = await client.getAction({ actionId: id });
    if (action === undefined)
      throw new AgtmuxError(ErrorCode.E_INTERNAL, "the daemon answered without the action");
    return { schemaVersion, generatedAt, actions: [action] };
  }
  if (runtime !== undefined && pane !== undefined)
    throw usageError("--runtime", "--runtime and --pane: give one of them");
  const from = since === undefined ? undefined : io.now().getTime() - parseDuration("--since", since);
  return client.listActions({
    runtimeId: (runtime ?? "").replace(/^runtime:/, ""),
    paneRef: pane === undefined ? "" : await resolveRef(context, pane),
    ...(from === undefined ? {} : { since: timestampFromMs(from) }),
    limit,
  });
}

/** `agtmux actions` */
export async function actions(context: Context, options: ActionsOptions): Promise<void> {
  const { io } = context;
  const list = await actionsOf(context, options);
  if (options.json) {
    io.stdout.write(`${safeJson(actionsJson(list), 2)}\n`);
    return;
  }
  if (list.actions.length === 0) {
    io.stdout.write("No actions.\n");
    return;
  }
  const view = await tableView(io, list.actions);
  const { warning, header } = view.palette;
  const rows = list.actions.map((action) => [
    { text: action.createdAt === undefined ? "" : rfc3339(action.createdAt) },
    { text: printable(action.actionType) },
    { text: place(action) },
    {
      text: resultWord(action.resultCode),
      style: resultWord(action.resultCode) === "ok" ? undefined : warning,
    },
    { text: [errorWord(action), printable(action.message)].filter((word) => word !== "").join(": ") },
    { text: printable(action.caller) },
  ]);
  io.stdout.write(`${textTable(COLUMNS, rows, view, header).join("\n")}\n`);
}
