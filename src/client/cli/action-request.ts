import { randomUUID } from "node:crypto";
import { type Duration, durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { CallOptions } from "@connectrpc/connect";
import { type AgentState, ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError, toAgtmuxError } from "../errors.js";
import { VERSION } from "../version.js";
import type { Context } from "./context.js";
import { parseDuration } from "./durations.js";
import { type Expected, expectedFrom, type ObservationInit } from "./expected.js";
import type { Io } from "./io.js";
import { parseState } from "./read-options.js";
import { type Look, lookAt } from "./resolve-ref.js";

/** What every action's command line may say. */
export interface ActionOptions {
  readonly expect?: string | undefined;
  readonly ifRuntime?: string | undefined;
  readonly ifState?: readonly string[] | undefined;
  readonly ifUpdatedWithin?: string | undefined;
  readonly forceStale?: boolean | undefined;
  readonly requestRef?: string | undefined;
  readonly json?: boolean | undefined;
}

interface Guards {
  readonly ifRuntime: string;
  readonly ifState: AgentState[];
  readonly ifUpdatedWithin?: Duration;
  readonly forceStale: boolean;
}

/** The target of a request, ready to be sent. */
export interface ActionAim extends Guards {
  readonly ref: string;
  readonly requestRef: string;
  readonly expect: ObservationInit;
}

/** An action as it was asked for, before anything was asked of the daemon. */
export interface Asked {
  readonly ref: string;
  readonly guards: Guards;
  readonly requestRef: string;
  readonly expected: Expected | undefined;
}

/** The daemon waits for an action's effect by itself; this is the outer deadline. */
const CALL_MS = 30_000;
/** Names this program in the daemon's record of actions. */
const CALLER_HEADER = "agtmux-caller";
/** Causes of E_DAEMON_UNAVAILABLE after which a request may have been carried out. */
const LOST = new Set(["connection_lost", "no_answer"]);

/** Checks the options and reads `--expect`. Throws E_INVALID_ARGUMENT. */
export async function askedFrom(io: Io, ref: string, options: ActionOptions): Promise<Asked> {
  const { ifState = [], ifUpdatedWithin: within } = options;
  const guards: Guards = {
    ifRuntime: (options.ifRuntime ?? "").replace(/^runtime:/, ""),
    ifState: ifState.map((word) => parseState("--if-state", word)),
    ...(within === undefined
      ? {}
      : { ifUpdatedWithin: durationFromMs(parseDuration("--if-updated-within", within)) }),
    forceStale: options.forceStale ?? false,
  };
  const expected = await expectedFrom(io, options.expect);
  return { ref, guards, requestRef: options.requestRef ?? randomUUID(), expected };
}

/** The pane that is asked for, as it is now. */
export function lookFor(context: Context, { ref }: Asked): Promise<Look> {
  return lookAt(context, ref);
}

/** What a look saw, for the daemon to compare with what is there; of a pane that was not found, only when. */
function observationOf({ pane, generatedAt }: Look, io: Io): ObservationInit {
  const observedAt = generatedAt ?? timestampFromDate(io.now());
  if (pane?.observation === undefined) return { observedAt };
  return { ...pane.observation, observedAt: pane.observation.observedAt ?? observedAt };
}

/** The request's target: what `--expect` says counts, and without it what this look saw. */
export function targetOf(io: Io, asked: Asked, look: Look): ActionAim {
  const { guards, requestRef, expected } = asked;
  const expect = expected?.observation ?? observationOf(look, io);
  return { ...guards, ref: look.ref, requestRef, expect };
}

/** Names the caller, and gives the call its outer deadline. */
export function callOptions(): CallOptions {
  return { headers: { [CALLER_HEADER]: `agtmux/${VERSION} pid=${process.pid}` }, timeoutMs: CALL_MS };
}

/**
 * Makes the call of an action. An error after which it may have been carried out all the same says so, with the
 * request_ref that finds out.
 */
export async function perform<T>(requestRef: string, call: (options: CallOptions) => Promise<T>): Promise<T> {
  try {
    return await call(callOptions());
  } catch (thrown) {
    const error = toAgtmuxError(thrown);
    const lost = error.code === ErrorCode.E_DAEMON_UNAVAILABLE && LOST.has(error.details["cause"] ?? "");
    if (!lost && error.code !== ErrorCode.E_TIMEOUT) throw error;
    const message = `${error.message}; it may have been done: the same again with --request-ref ${requestRef} tells, and does nothing twice`;
    const facts = { ...error.details, request_ref: requestRef };
    throw new AgtmuxError(error.code, message, facts, error.retryable, { cause: error });
  }
}
