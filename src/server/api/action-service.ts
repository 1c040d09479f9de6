import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type Action,
  type ActionResult,
  ActionResultSchema,
  ActionSchema,
  type ActionService,
  ApproveResponseSchema,
  AttachResponseSchema,
  DenyResponseSchema,
  GetActionResponseSchema,
  InterruptResponseSchema,
  KillResponseSchema,
  type ListActionsRequest,
  ListActionsResponseSchema,
  Outcome,
  ResultCode,
  SendResponseSchema,
  ViewOutputResponseSchema,
} from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { answerRequest } from "../actions/answer.js";
import { type AttachPlan, type AttachSettings, attachRequest } from "../actions/attach.js";
import type { ActionDesk, Performed, Request } from "../actions/desk.js";
import { interruptRequest } from "../actions/interrupt.js";
import { killRequest } from "../actions/kill.js";
import { parseRef } from "../actions/ref.js";
import { sendRequest } from "../actions/send.js";
import { type ViewedOutput, viewOutputRequest } from "../actions/view-output.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import type { ActionOutcome, ActionRecord, ActionResultCode } from "../store/action-store.js";
import type { Store } from "../store/store.js";
import type { AgentIndex } from "../watch/agent-index.js";
import { timestamp, timestampMicros } from "../watch/rows.js";

export interface ActionParts {
  readonly desk: ActionDesk;
  readonly store: Store;
  readonly index: AgentIndex;
  readonly now: () => Micros;
  readonly attach: AttachSettings;
}

/** Names the calling program and its pid, for the record; a claim, not a proof. */
export const CALLER_HEADER = "agtmux-caller";

const DEFAULT_PAGE = 100;
const MAX_PAGE = 1_000;

const RESULTS: Readonly<Record<ActionResultCode, ResultCode>> = {
  ok: ResultCode.OK,
  refused: ResultCode.REFUSED,
  failed: ResultCode.FAILED,
  result_unknown: ResultCode.RESULT_UNKNOWN,
};

const EFFECTS: Readonly<Record<NonNullable<ActionOutcome["effect"]>, Outcome>> = {
  yes: Outcome.YES,
  no: Outcome.NO,
  unknown: Outcome.UNKNOWN,
};

/** What every answer to an action has. */
interface Answer {
  readonly schemaVersion: 1;
  readonly result: ActionResult;
  readonly effect: Outcome;
}

export function actionService(parts: ActionParts): ServiceImpl<typeof ActionService> {
  const { desk, store, index, now } = parts;
  const perform = async (request: Request): Promise<Answer> => answer(await desk.perform(request), now());
  return {
    async attach(request, context) {
      const plan: AttachPlan = { argv: [] };
      const { effect: _, ...made } = await perform(
        attachRequest(request, caller(context), plan, parts.attach),
      );
      return create(AttachResponseSchema, { ...made, argv: [...plan.argv] });
    },
    async send(request, context) {
      const { effect: submitted, ...made } = await perform(sendRequest(request, caller(context)));
      return create(SendResponseSchema, { ...made, submitted });
    },
    async approve(request, context) {
      const { effect: closed, ...made } = await perform(answerRequest("approve", request, caller(context)));
      return create(ApproveResponseSchema, { ...made, closed });
    },
    async deny(request, context) {
      const { effect: closed, ...made } = await perform(answerRequest("deny", request, caller(context)));
      return create(DenyResponseSchema, { ...made, closed });
    },
    async interrupt(request, context) {
      const { effect: stopped, ...made } = await perform(interruptRequest(request, caller(context)));
      return create(InterruptResponseSchema, { ...made, stopped });
    },
    async viewOutput(request, context) {
      const viewed: ViewedOutput = { lines: [], truncated: false };
      const { effect: _, ...made } = await perform(viewOutputRequest(request, caller(context), viewed));
      const pane = store.actions.find(made.result.actionId);
      const agent = pane === undefined ? undefined : index.find(pane.targetId, pane.paneId);
      const promptId = agent?.state.promptId ?? "";
      return create(ViewOutputResponseSchema, {
        ...made,
        lines: [...viewed.lines],
        truncated: viewed.truncated,
        promptId,
        promptText: promptId === "" ? "" : (agent?.promptText ?? ""),
      });
    },
    async kill(request, context) {
      const { effect: ended, ...made } = await perform(killRequest(request, caller(context)));
      return create(KillResponseSchema, { ...made, ended });
    },
    getAction({ actionId }) {
      const record = store.actions.find(actionId);
      if (record === undefined)
        throw new ContractError(ErrorCode.E_REF_NOT_FOUND, "no action has that id", {
          action_id: actionId.slice(0, 64),
        });
      return create(GetActionResponseSchema, {
        schemaVersion: 1,
        generatedAt: timestamp(now()),
        action: actionMessage(record),
      });
    },
    listActions: (request) => listed(store, request, now()),
  };
}

function caller({ requestHeader }: HandlerContext): string {
  return requestHeader.get(CALLER_HEADER) ?? requestHeader.get("user-agent") ?? "";
}

/** Throws ContractError: the refusal, with the action's id. */
function answer(performed: Performed, now: Micros): Answer {
  if (performed.kind === "in_progress") {
    const { actionId } = performed;
    const message = "the first request with that request_ref is still being carried out";
    const resultCode = ResultCode.IN_PROGRESS;
    const result = { actionId, resultCode, completedAt: timestamp(now), message, replayed: true };
    return { schemaVersion: 1, result: create(ActionResultSchema, result), effect: Outcome.UNSPECIFIED };
  }
  const { replayed, finished } = performed;
  const { actionId, outcome, completedAt } = finished;
  if (outcome.error !== undefined) throw refusal(actionId, outcome.message, outcome.error);
  const { code, message, effect } = outcome;
  const result = {
    actionId,
    resultCode: RESULTS[code],
    completedAt: timestamp(completedAt),
    message,
    replayed,
  };
  return {
    schemaVersion: 1,
    result: create(ActionResultSchema, result),
    effect: effect === undefined ? Outcome.UNSPECIFIED : EFFECTS[effect],
  };
}

function refusal(
  actionId: string,
  message: string,
  { code, details }: NonNullable<ActionOutcome["error"]>,
): ContractError {
  return new ContractError(errorCode(code), message, {
    ...details,
    action_id: actionId,
    result_code: "refused",
  });
}

/** The code of that name; stored names are of this or an earlier version, and codes are never taken away. */
function errorCode(name: string): ErrorCode {
  const code = Object.entries(ErrorCode).find(([known]) => known === name)?.[1];
  return typeof code === "number" ? code : ErrorCode.E_INTERNAL;
}

function actionMessage(record: ActionRecord): Action {
  const { outcome, targetId, sessionName, windowId, paneId, completedAt } = record;
  return create(ActionSchema, {
    actionId: record.actionId,
    actionType: record.actionType,
    requestRef: record.requestRef,
    ref: record.ref,
    runtimeId: record.runtimeId,
    pane: { target: targetId, sessionName, windowId, paneId },
    resultCode: outcome === undefined ? ResultCode.IN_PROGRESS : RESULTS[outcome.code],
    errorCode: outcome?.error === undefined ? ErrorCode.E_UNSPECIFIED : errorCode(outcome.error.code),
    message: outcome?.message ?? "",
    createdAt: timestamp(record.createdAt),
    ...(completedAt === undefined ? {} : { completedAt: timestamp(completedAt) }),
    caller: record.caller,
  });
}

function listed(store: Store, request: ListActionsRequest, now: Micros) {
  const { runtimeId, paneRef, since, limit, pageToken } = request;
  if (limit < 0 || limit > MAX_PAGE)
    throw invalidArgument("limit", `must be 1 to ${MAX_PAGE}, or 0 for ${DEFAULT_PAGE}`);
  if (runtimeId !== "" && paneRef !== "") throw invalidArgument("pane_ref", "goes without runtime_id");
  const pane = paneRef === "" ? undefined : parseRef(paneRef);
  if (pane?.kind === "runtime")
    throw invalidArgument("pane_ref", "must name a pane; runtime_id names a runtime");
  const most = limit === 0 ? DEFAULT_PAGE : limit;
  const records = store.actions.list({
    runtimeId: runtimeId || undefined,
    pane: pane && { targetId: pane.target, paneId: pane.paneId },
    since: since === undefined ? undefined : timestampMicros(since),
    after: pageToken === "" ? undefined : pageStart(pageToken),
    limit: most + 1,
  });
  const page = records.slice(0, most);
  const last = records.length > most ? page.at(-1) : undefined;
  return create(ListActionsResponseSchema, {
    schemaVersion: 1,
    generatedAt: timestamp(now),
    actions: page.map(actionMessage),
    nextPageToken: last === undefined ? "" : `${last.createdAt}.${last.actionId}`,
  });
}

function pageStart(token: string): { createdAt: Micros; actionId: string } {
  const [, createdAt = "", actionId = ""] = /^(\d{1,16})\.([0-9a-f-]{36})$/u.exec(token) ?? [];
  if (actionId === "") throw invalidArgument("page_token", "is not one that a list gave");
  return { createdAt: Number(createdAt), actionId };
}
