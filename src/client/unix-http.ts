import type * as Http from "node:http";
import type { AgtmuxError } from "./errors.js";
import { checkSocket, connectionError } from "./socket-check.js";

// An import would run every getter of these modules, and one of node:http loads the whole of fetch: 20 ms.
const http = process.getBuiltinModule("node:http");
const net = process.getBuiltinModule("node:net");

/** Names the daemon's version in every response, so that a newer client can say that the daemon is older. */
const VERSION_HEADER = "agtmux-version";

export interface UnixHttpOptions {
  /** The sockets to try, best first; asked anew for every call, since a restarted daemon may serve another. */
  readonly sockets: () => readonly string[];
  /**
   * Called when no daemon listens on any of them, before anything was sent. The call is tried once more after
   * it resolves. Absent: the call fails with E_DAEMON_UNAVAILABLE.
   */
  readonly onNotRunning?: ((error: AgtmuxError) => Promise<void>) | undefined;
  /** Called with the daemon's version, whenever a response names it. */
  readonly onVersion?: ((version: string) => void) | undefined;
}

export interface HttpCall {
  /** Path of the request, `/package.Service/Method`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Http.IncomingHttpHeaders;
  /** The bytes as they come; to be read once. Leaving the loop early, or an abort, ends the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Posts over the daemon's socket. Rejects with E_DAEMON_UNAVAILABLE when it cannot, or with the abort's reason. */
export type UnixHttp = (call: HttpCall) => Promise<HttpAnswer>;

async function* readBody(
  response: Http.IncomingMessage,
  socket: string,
  finished: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk;
  } catch (thrown) {
    throw connectionError(thrown, socket);
  } finally {
    finished();
  }
}

function post(call: HttpCall, socket: string): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    checkSocket(socket);
    const { path, signal } = call;
    const headers = { ...call.headers, "content-length": call.body.length };
    // A connection per call: cheap over a Unix socket, and no call is ever written into a connection that the
    // daemon is just closing. Without an agent, which would parse "localhost" as an address first.
    const createConnection = () => net.connect({ path: socket });
    const request = http.request({ createConnection, method: "POST", path, headers });
    const abort = () => request.destroy();
    const finished = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    request.on("error", (thrown) => {
      finished();
      reject(signal?.aborted ? signal.reason : connectionError(thrown, socket));
    });
    request.on("response", (response) => {
      const body = readBody(response, socket, finished);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
    if (signal?.aborted) abort();
    else request.end(call.body);
  });
}

function isNotRunning(error: AgtmuxError): boolean {
  return error.details["cause"] === "not_running" || error.details["cause"] === "stale_socket";
}

/** Builds the one function through which every call of this client goes. */
export function createUnixHttp(options: UnixHttpOptions): UnixHttp {
  async function tryAll(call: HttpCall): Promise<HttpAnswer> {
    let first: AgtmuxError | undefined;
    for (const socket of options.sockets()) {
      try {
        return await post(call, socket);
      } catch (thrown) {
        if (call.signal?.aborted) throw thrown;
        const error = connectionError(thrown, socket);
        // Only where nothing listens is nothing sent, so only then may the call go elsewhere.
        if (!isNotRunning(error)) throw error;
        first ??= error;
      }
    }
    throw first ?? connectionError(new Error("no socket to try"), "");
  }

  return async (call) => {
    let answer: HttpAnswer;
    try {
      answer = await tryAll(call);
    } catch (thrown) {
      if (call.signal?.aborted || options.onNotRunning === undefined) throw thrown;
      const error = connectionError(thrown, "");
      if (!isNotRunning(error)) throw error;
      await options.onNotRunning(error);
      answer = await tryAll(call);
    }
    const version = answer.headers[VERSION_HEADER];
    if (typeof version === "string") options.onVersion?.(version);
    return answer;
  };
}
