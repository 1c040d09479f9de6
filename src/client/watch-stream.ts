import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import {
  type StateService,
  type WatchRequestSchema,
  type WatchResponse,
  WatchType,
} from "../../gen/agtmux/v1/state_pb.js";
import { backoffMs, pause } from "./backoff.js";
import { AgtmuxError, toAgtmuxError } from "./errors.js";

/** The daemon sends a bookmark every 15 s; three missing ones mean that nobody is there any more. */
const SILENCE_MS = 45_000;

/** What a watcher learns: a message of the stream, or that the stream broke and is about to be resumed. */
export type WatchEvent =
  | { readonly kind: "message"; readonly message: WatchResponse }
  | { readonly kind: "disconnected"; readonly error: AgtmuxError; readonly retryInMs: number };

/** Where a watcher keeps its place, so that its next run goes on where this one ended. */
export interface CursorStore {
  /** The cursor kept last; undefined or '' if none. */
  load(): string | undefined | Promise<string | undefined>;
  /** Called when the next message is asked for: whoever fails over a message, or leaves amid it, gets it again. */
  save(cursor: string): void | Promise<void>;
}

export interface WatchOptions {
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal | undefined;
  /** Longest silence before the stream counts as broken, in milliseconds. 45 000 by default. */
  readonly silenceMs?: number | undefined;
  /** Pause before repeat n (1, 2, …), in milliseconds. Doubling from 100 ms to 4 s by default. */
  readonly backoffMs?: ((attempt: number) => number) | undefined;
  /** Used when the request names no cursor. One that the daemon cannot read counts as none. */
  readonly cursors?: CursorStore | undefined;
}

/** Causes of E_DAEMON_UNAVAILABLE that waiting does not heal: someone else has a hand in the socket. */
const UNTRUSTED: readonly (string | undefined)[] = ["wrong_owner", "unsafe_mode"];

function isWorthARetry(error: AgtmuxError): boolean {
  if (error.code !== ErrorCode.E_DAEMON_UNAVAILABLE) return error.retryable;
  return !UNTRUSTED.includes(error.details["cause"]);
}

/** One connection's messages; throws when it breaks, falls silent, or `signal` aborts. */
async function* oneStream(
  client: Client<typeof StateService>,
  request: MessageInitShape<typeof WatchRequestSchema>,
  silenceMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchResponse> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  const silent = new AgtmuxError(
    ErrorCode.E_DAEMON_UNAVAILABLE,
    `the daemon has been silent for ${Math.round(silenceMs / 1000)} s`,
    { cause: "no_answer" },
    true,
  );
  let timer = setTimeout(() => controller.abort(silent), silenceMs);
  try {
    for await (const message of client.watch(request, { signal: controller.signal, timeoutMs: 0 })) {
      clearTimeout(timer);
      yield message;
      timer = setTimeout(() => controller.abort(silent), silenceMs);
    }
  } catch (thrown) {
    throw controller.signal.reason === silent ? silent : thrown;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    // The library's iterable has no return(): without this, leaving the loop would keep the connection.
    controller.abort();
  }
}

/**
 * Watches and keeps watching: when the stream ends or breaks it reconnects with backoff and resumes after the
 * last message received, so no message comes twice. Where the daemon cannot continue (a new daemon life, a
 * cursor out of reach) its `reset` message arrives, then a snapshot. Throws AgtmuxError on errors that no
 * repetition can heal: a bad cursor or filter, a daemon that does not know the method.
 */
export async function* watchStream(
  client: Client<typeof StateService>,
  request: MessageInitShape<typeof WatchRequestSchema>,
  options: WatchOptions = {},
): AsyncGenerator<WatchEvent> {
  const { signal, silenceMs = SILENCE_MS, backoffMs: wait = backoffMs, cursors } = options;
  let cursor = request.cursor || (await cursors?.load()) || "";
  const isOwnCursor = (request.cursor ?? "") === "";
  let attempt = 0;
  let everConnected = false;
  while (!signal?.aborted) {
    let error: AgtmuxError;
    try {
      for await (const message of oneStream(client, { ...request, cursor }, silenceMs, signal)) {
        everConnected = true;
        attempt = 0;
        if (message.cursor !== "") cursor = message.cursor;
        yield { kind: "message", message };
        if (message.cursor !== "") await cursors?.save(message.cursor);
        if (message.type === WatchType.RESET && message.resetReason === "shutdown") break;
      }
      if (signal?.aborted) return;
      const facts = { cause: "connection_lost" };
      error = new AgtmuxError(ErrorCode.E_DAEMON_UNAVAILABLE, "the daemon ended the stream", facts, true);
    } catch (thrown) {
      if (signal?.aborted) return;
      error = toAgtmuxError(thrown);
      // Before the first message a failure is the caller's to see; afterwards only what cannot heal is.
      const foreignCursor =
        (everConnected || isOwnCursor) && cursor !== "" && error.code === ErrorCode.E_CURSOR_INVALID;
      if (foreignCursor) cursor = "";
      else if (!everConnected || !isWorthARetry(error)) throw error;
    }
    attempt += 1;
    const retryInMs = wait(attempt);
    yield { kind: "disconnected", error, retryInMs };
    await pause(retryInMs, signal);
  }
}
