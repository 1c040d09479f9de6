/** A message as the client gives it to its user: the names of ProtoJSON, enums by name, int64 as text. */
export type Message = Readonly<Record<string, unknown>>;

/** What a client makes of an error of the daemon. */
export class RpcError extends Error {
  override readonly name = "RpcError";

  constructor(
    /** gRPC's number; Connect's codes are the same. */
    readonly status: number,
    message: string,
    /** The typed detail; absent where the client saw the deadline pass before the daemon told it. */
    readonly detail?: ErrorFacts | undefined,
  ) {
    super(message);
  }
}

/** What stands in the typed detail. */
export interface ErrorFacts {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, string>>;
  readonly retryable: boolean;
}

/** A server stream that a client reads. */
export interface ForeignStream {
  /** What has come so far. */
  readonly messages: readonly Message[];
  /** Resolves at the stream's end: with what ended it, if it did not end well. An RpcError if the daemon said it. */
  readonly over: Promise<Error | undefined>;
  /** Cancels the call, or ends the client's process in the middle of it. */
  cancel(): void;
}

/** A client that nobody here wrote, and its way to speak to one daemon. Methods are named `package.Service/Method`. */
export interface ForeignClient {
  /** Rejects with RpcError, or with any other error when the client itself does not take the call. */
  call(method: string, request: Message): Promise<Message>;
  /** `deadlineMs` is told to the daemon, if the client does that. */
  open(method: string, request: Message, deadlineMs?: number): ForeignStream;
  /** Full names of the services that the daemon's reflection lists. */
  services(): Promise<string[]>;
  close(): void;
}
