import type { Duplex } from "node:stream";
import WebSocket from "ws";
import { field, stringField } from "../../payload.js";
import { Unreachable } from "../contract.js";

/** What AGTMUX may ask an app-server: readings only, so that nothing of the user's is touched. */
export type Reading =
  | "initialize"
  | "thread/loaded/list"
  | "thread/read"
  | "thread/turns/list"
  | "mcpServerStatus/list";

export type Failure =
  /** There is no socket: no app-server runs. */
  | "absent"
  /** It cannot be connected to, or the connection ended. */
  | "closed"
  | "timeout"
  /** It answered with an error. */
  | "refused"
  /** It speaks another language than the one that was measured. */
  | "malformed";

export class AppServerError extends Error {
  override readonly name = "AppServerError";
  constructor(
    readonly failure: Failure,
    message: string,
  ) {
    super(message);
  }
}

export interface ConnectionEvents {
  /** `emittedAt`: milliseconds since the epoch by the server's clock; undefined if it does not say. */
  readonly onNotification: (method: string, params: unknown, emittedAt: number | undefined) => void;
  /** Once, after the connection was open; not after `close()`. */
  readonly onClosed: (error: AppServerError) => void;
}

const HANDSHAKE_MS = 2_000;
const ANSWER_MS = 5_000;
/** The list of a terminal's tools, the largest answer asked for, is some 50 kB. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const MAX_ERROR_CHARS = 200;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: AppServerError) => void;
  readonly timer: NodeJS.Timeout;
}

/** One WebSocket to an app-server, speaking JSON-RPC without the `jsonrpc` field. */
export class AppServerConnection {
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #closed = false;

  private constructor(
    private readonly socket: WebSocket,
    private readonly events: ConnectionEvents,
  ) {
    socket.on("message", (data, isBinary) => this.#message(isBinary ? undefined : String(data)));
    socket.on("close", (code) => this.#end(new AppServerError("closed", `the app-server closed (${code})`)));
    socket.on("error", (error) => this.#end(new AppServerError("closed", error.message)));
  }

  /** Shakes hands on the stream that `dial` gives. Rejects with AppServerError. */
  static async open(dial: () => Promise<Duplex>, events: ConnectionEvents): Promise<AppServerConnection> {
    const stream = await dial().catch((error: unknown) => {
      const absent = error instanceof Unreachable && error.absent;
      throw new AppServerError(absent ? "absent" : "closed", messageOf(error));
    });
    const socket = new WebSocket("ws://localhost/", {
      createConnection: () => stream,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
      followRedirects: false,
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Its own deadline needs a socket of this host.
    const late = new AppServerError("closed", `the app-server did not shake hands within ${HANDSHAKE_MS} ms`);
    const timer = setTimeout(() => reject(late), HANDSHAKE_MS);
    socket.once("open", resolve);
    socket.on("error", (error) => reject(new AppServerError("closed", error.message)));
    try {
      await promise;
    } catch (error) {
      socket.terminate();
      stream.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return new AppServerConnection(socket, events);
  }

  /** Asks and resolves with the result. Rejects with AppServerError; after `timeout` the connection is of no use. */
  call(method: Reading, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#closed) return Promise.reject(new AppServerError("closed", "the connection is closed"));
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      reject(new AppServerError("timeout", `${method} was not answered within ${ANSWER_MS} ms`));
    }, ANSWER_MS);
    this.#waiting.set(id, { resolve, reject, timer });
    this.socket.send(JSON.stringify({ id, method, params }));
    return promise;
  }

  /** Says that the handshake is complete; after this the server sends notifications. */
  initialized(): void {
    if (!this.#closed) this.socket.send(JSON.stringify({ method: "initialized" }));
  }

  close(): void {
    this.#finish(new AppServerError("closed", "the connection is closed"));
  }

  #message(text: string | undefined): void {
    const message = text === undefined ? undefined : parse(text);
    if (message === undefined) {
      this.#end(new AppServerError("malformed", "the app-server sent something that is no JSON object"));
      return;
    }
    const id = field(message, "id");
    const method = stringField(message, "method");
    if (method !== "") {
      // A message with both is a request to this client; it has nothing to offer.
      if (id !== undefined) return;
      const emitted = field(message, "emittedAtMs");
      const at = typeof emitted === "number" && Number.isSafeInteger(emitted) ? emitted : undefined;
      this.events.onNotification(method, field(message, "params"), at);
      return;
    }
    const waiting = typeof id === "number" ? this.#waiting.get(id) : undefined;
    if (typeof id !== "number" || waiting === undefined) return; // answered too late
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    const error = field(message, "error");
    if (error === undefined) waiting.resolve(field(message, "result"));
    else {
      const said = stringField(error, "message").slice(0, MAX_ERROR_CHARS);
      waiting.reject(new AppServerError("refused", said || "an error without a message"));
    }
  }

  #end(error: AppServerError): void {
    if (this.#closed) return;
    this.#finish(error);
    this.events.onClosed(error);
  }

  #finish(error: AppServerError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.socket.terminate();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function parse(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // the caller ends the connection
  }
}
