import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorCode, ErrorDetailSchema } from "../../gen/agtmux/v1/common_pb.js";

/** Facts of an error by name, for programs. */
export type ErrorFacts = Readonly<Record<string, string>>;

/** An error of the contract's one table, from the daemon or made by this client. */
export class AgtmuxError extends Error {
  override readonly name = "AgtmuxError";

  constructor(
    readonly code: ErrorCode,
    /** One line for a person. */
    message: string,
    readonly details: ErrorFacts = {},
    /** Whether the same call may succeed later without change. */
    readonly retryable = false,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The code as the contract spells it, `E_…`; a code of a newer daemon reads as its number. */
  get codeName(): string {
    return ErrorCode[this.code] ?? `E_${this.code}`;
  }
}

export function usageError(field: string, message: string): AgtmuxError {
  return new AgtmuxError(ErrorCode.E_INVALID_ARGUMENT, message, { field });
}

/** Codes of errors that carry no detail of ours: made by the client library or by something in between. */
const PLAIN_CODES: Partial<Record<Code, ErrorCode>> = {
  [Code.DeadlineExceeded]: ErrorCode.E_TIMEOUT,
  [Code.Unimplemented]: ErrorCode.E_UNIMPLEMENTED,
  [Code.Unauthenticated]: ErrorCode.E_UNAUTHENTICATED,
  [Code.PermissionDenied]: ErrorCode.E_UNAUTHENTICATED,
  [Code.ResourceExhausted]: ErrorCode.E_RESOURCE_EXHAUSTED,
  [Code.Unavailable]: ErrorCode.E_DAEMON_UNAVAILABLE,
};

/** The client library's words for a stream that was cut before its end mark came. */
const CUT_STREAM = /missing EndStreamResponse|premature EOF|protocol error: promised/;

/** Turns whatever a call threw into an error of the table; the original stays as `cause`. */
export function toAgtmuxError(thrown: unknown): AgtmuxError {
  if (thrown instanceof AgtmuxError) return thrown;
  if (!(thrown instanceof ConnectError)) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new AgtmuxError(ErrorCode.E_INTERNAL, message, {}, false, { cause: thrown });
  }
  if (thrown.cause instanceof AgtmuxError) return thrown.cause;
  const detail = thrown.findDetails(ErrorDetailSchema)[0];
  if (detail !== undefined && detail.code !== ErrorCode.E_UNSPECIFIED) {
    const message = detail.message || thrown.rawMessage;
    return new AgtmuxError(detail.code, message, detail.details, detail.retryable, { cause: thrown });
  }
  if (CUT_STREAM.test(thrown.rawMessage)) {
    const facts = { cause: "connection_lost" };
    const message = "the daemon ended the connection";
    return new AgtmuxError(ErrorCode.E_DAEMON_UNAVAILABLE, message, facts, true, { cause: thrown });
  }
  const code = PLAIN_CODES[thrown.code] ?? ErrorCode.E_INTERNAL;
  const retryable = code === ErrorCode.E_DAEMON_UNAVAILABLE || code === ErrorCode.E_TIMEOUT;
  const message = code === ErrorCode.E_TIMEOUT ? "the daemon did not answer in time" : thrown.rawMessage;
  return new AgtmuxError(code, message, {}, retryable, { cause: thrown });
}
