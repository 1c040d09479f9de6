import { type ActionResult, Outcome, ResultCode } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError } from "../errors.js";
import { EXIT } from "../exit-status.js";
import type { Context } from "./context.js";
import { fact, type JsonObject, time } from "./json.js";
import { printable, safeJson } from "./printable.js";
import type { Look } from "./resolve-ref.js";
import { panePlace } from "./tables.js";

const RESULT_WORDS: Readonly<Record<ResultCode, string>> = {
  [ResultCode.UNSPECIFIED]: "",
  [ResultCode.OK]: "ok",
  [ResultCode.REFUSED]: "refused",
  [ResultCode.FAILED]: "failed",
  [ResultCode.RESULT_UNKNOWN]: "result_unknown",
  [ResultCode.IN_PROGRESS]: "in_progress",
};

const STATUSES: Readonly<Record<ResultCode, number>> = {
  [ResultCode.UNSPECIFIED]: EXIT.internal,
  [ResultCode.OK]: EXIT.ok,
  [ResultCode.REFUSED]: EXIT.refused,
  [ResultCode.FAILED]: EXIT.internal,
  [ResultCode.RESULT_UNKNOWN]: EXIT.timeout,
  [ResultCode.IN_PROGRESS]: EXIT.timeout,
};

const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  [Outcome.UNSPECIFIED]: "",
  [Outcome.YES]: "yes",
  [Outcome.NO]: "no",
  [Outcome.UNKNOWN]: "unknown",
};

/** The result's word; empty for one that only a newer daemon knows. */
export function resultWord(code: ResultCode): string {
  return RESULT_WORDS[code] ?? "";
}

/** What every answer to an action has. */
export interface Answer {
  readonly schemaVersion: number;
  readonly result?: ActionResult | undefined;
}

/** What an action was for, and whether it came about. */
export interface Effect {
  /** Its name in JSON and for people: submitted, closed, stopped, ended. */
  readonly name: string;
  readonly outcome: Outcome;
  /** Whether the command has failed where it did not come about. */
  readonly wanted: boolean;
}

/** The result of an answer. Throws E_INTERNAL for an answer without one, which is a defect of the daemon. */
export function resultOf({ result }: Answer): ActionResult {
  if (result !== undefined) return result;
  throw new AgtmuxError(ErrorCode.E_INTERNAL, "the daemon answered without a result");
}

function outcomeWord(effect: Effect | undefined): string {
  return effect === undefined ? "" : (OUTCOME_WORDS[effect.outcome] ?? "unknown");
}

/** The result as JSON, with the effect if there was one to come about; `more` is what the one action adds. */
export function actionResultJson(answer: Answer, effect?: Effect, more: JsonObject = {}): JsonObject {
  const result = resultOf(answer);
  return {
    schema_version: answer.schemaVersion,
    action_id: printable(result.actionId),
    result_code: resultWord(result.resultCode),
    ...time("completed_at", result.completedAt),
    message: printable(result.message),
    replayed: result.replayed,
    ...(effect === undefined ? {} : fact(effect.name, outcomeWord(effect))),
    ...more,
  };
}

/** The status that a command ends with. */
function statusOf({ resultCode }: ActionResult, effect: Effect | undefined): number {
  const status = STATUSES[resultCode] ?? EXIT.internal;
  if (status !== EXIT.ok) return status;
  return effect?.wanted === true && effect.outcome === Outcome.NO ? EXIT.internal : EXIT.ok;
}

function resultLine(result: ActionResult, look: Look, effect: Effect | undefined): string {
  const { resultCode, message, replayed } = result;
  const place = look.pane === undefined ? printable(look.ref) : panePlace(look.pane);
  const code = resultCode === ResultCode.OK ? "" : `${resultWord(resultCode) || "another result"}: `;
  const outcome = outcomeWord(effect);
  const notes = [
    ...(outcome === "" ? [] : [`${effect?.name}: ${outcome}`]),
    ...(replayed && resultCode !== ResultCode.IN_PROGRESS
      ? ["as it was the first time; nothing was done again"]
      : []),
  ];
  return `${place}: ${code}${printable(message)}${notes.length > 0 ? ` (${notes.join("; ")})` : ""}`;
}

/**
 * Tells what became of an action: one line, on stderr unless all is well, or JSON. Sets the status that the program ends
 * with: 0, 1 for what failed or did not come about, 7 for what is not known.
 */
export function tellResult(
  context: Context,
  told: {
    readonly answer: Answer;
    readonly look: Look;
    readonly effect?: Effect | undefined;
    readonly json?: boolean | undefined;
  },
): void {
  const { answer, look, effect, json } = told;
  const { stdout, stderr } = context.io;
  const result = resultOf(answer);
  const status = statusOf(result, effect);
  context.endWith(status);
  const line = resultLine(result, look, effect);
  if (json) stdout.write(`${safeJson(actionResultJson(answer, effect), 2)}\n`);
  else if (status === EXIT.ok) stdout.write(`${line}\n`);
  else stderr.write(`agtmux: ${line}; agtmux actions --id ${printable(result.actionId)}\n`);
}
