import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";

/** The exit statuses of docs/spec.md 8.3. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  daemon: 3,
  notFound: 4,
  refused: 5,
  target: 6,
  timeout: 7,
  gone: 8,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/**
 * The exit status of each error: a copy of what the options of ErrorCode say, proven equal by a test. Reading
 * the options themselves would take the descriptor of descriptors, which no start of the CLI should pay for.
 */
const EXIT_STATUS: Readonly<Record<ErrorCode, ExitStatus>> = {
  [ErrorCode.E_UNSPECIFIED]: EXIT.internal,
  [ErrorCode.E_REF_INVALID]: EXIT.usage,
  [ErrorCode.E_REF_INVALID_ENCODING]: EXIT.usage,
  [ErrorCode.E_REF_NOT_FOUND]: EXIT.notFound,
  [ErrorCode.E_REF_AMBIGUOUS]: EXIT.refused,
  [ErrorCode.E_RUNTIME_STALE]: EXIT.refused,
  [ErrorCode.E_PRECONDITION_FAILED]: EXIT.refused,
  [ErrorCode.E_SNAPSHOT_EXPIRED]: EXIT.refused,
  [ErrorCode.E_IDEMPOTENCY_CONFLICT]: EXIT.refused,
  [ErrorCode.E_CURSOR_INVALID]: EXIT.usage,
  [ErrorCode.E_CURSOR_EXPIRED]: EXIT.gone,
  [ErrorCode.E_PID_UNAVAILABLE]: EXIT.refused,
  [ErrorCode.E_TARGET_UNREACHABLE]: EXIT.target,
  [ErrorCode.E_TARGET_NOT_FOUND]: EXIT.notFound,
  [ErrorCode.E_TARGET_EXISTS]: EXIT.refused,
  [ErrorCode.E_TMUX_UNSUPPORTED]: EXIT.target,
  [ErrorCode.E_INVALID_ARGUMENT]: EXIT.usage,
  [ErrorCode.E_CONFIRMATION_REQUIRED]: EXIT.refused,
  [ErrorCode.E_UNAUTHENTICATED]: EXIT.daemon,
  [ErrorCode.E_RESOURCE_EXHAUSTED]: EXIT.internal,
  [ErrorCode.E_TIMEOUT]: EXIT.timeout,
  [ErrorCode.E_CONFIG_INVALID]: EXIT.usage,
  [ErrorCode.E_UNSUPPORTED]: EXIT.usage,
  [ErrorCode.E_UNIMPLEMENTED]: EXIT.internal,
  [ErrorCode.E_DAEMON_UNAVAILABLE]: EXIT.daemon,
  [ErrorCode.E_INTERNAL]: EXIT.internal,
};

/** The exit status of an error; one of a newer daemon that this client does not know counts as internal. */
export function exitStatusOf(code: ErrorCode): ExitStatus {
  return EXIT_STATUS[code] ?? EXIT.internal;
}
