/** Why there is no connection, or no longer one. */
export type SshFailure =
  /** The user's ssh settings ask for something that cannot be done here, or `ssh -G` refused them. */
  | "config"
  /** The name of the host has no address. */
  | "resolve"
  /** The host is there; nothing listens on the port. */
  | "refused"
  /** No answer within a deadline, or no way to the host. */
  | "timeout"
  | "host_key_unknown"
  | "host_key_changed"
  | "host_key_revoked"
  /** The host takes none of the keys that could be offered. */
  | "auth"
  /** The host takes a key whose file is encrypted and which no agent holds. */
  | "key_encrypted"
  /** A jump host or a ProxyCommand did not lead to the host. */
  | "proxy"
  /** The connection stood and is over. */
  | "lost"
  /** The host does not let a socket be forwarded. */
  | "forwarding_refused"
  /** Anything else: the other side does not speak ssh, refused a command, or the caller gave up. */
  | "failed";

// Asking again where a person must act first gets an account or an address locked out of a host.
const RETRYABLE: ReadonlySet<SshFailure> = new Set([
  "resolve",
  "refused",
  "timeout",
  "proxy",
  "lost",
  "failed",
]);

/** `message` says what happened in one line, `advice` what to do about it; both free of control characters. */
export class SshError extends Error {
  override readonly name = "SshError";
  readonly kind: SshFailure;
  readonly advice: string;
  /** Whether the daemon may try again by itself. */
  readonly retryable: boolean;

  constructor(kind: SshFailure, message: string, advice: string, options?: ErrorOptions) {
    super(printable(message), options);
    this.kind = kind;
    this.advice = printable(advice);
    this.retryable = RETRYABLE.has(kind);
  }
}

const MAX_TEXT = 1_000;
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+/gu;

/** Text of a host or a helper program as one line that is safe to show. */
export function printable(text: string): string {
  return text.slice(0, MAX_TEXT).replace(UNPRINTABLE, " ").trim();
}

/** The words of anything that was thrown, or its system code if it has no words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" ? (errorCode(error) ?? error.name) : error.message;
}

/** The system's or the library's code of an error, such as ECONNREFUSED. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
