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

/** Less than the 5 s after which the daemon closes a connection that nobody uses. */
const IDLE_MS = 2_000;

export interface HttpCall {
  /** Path of the request, `/package.Service/Method`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** Whether it may be sent a second time when nothing of an answer came: reads, and what carries its own id. */
  readonly repeatable?: boolean | undefined;
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

/** Connections of repeatable calls that follow one another; made at the second such call, for most programs make one. */
class Connections {
  #calls = 0;
  #agent: Http.Agent | undefined;

  /** Undefined: the call takes a connection of its own. */
  agentFor({ repeatable = false }: HttpCall): Http.Agent | undefined {
    if (!repeatable) return undefined;
    this.#calls += 1;
    if (this.#calls > 1) this.#agent ??= new http.Agent({ keepAlive: true, timeout: IDLE_MS });
    return this.#agent;
  }
}

/** The daemon was just closing the idle connection into which the call was written; it never saw it. */
class ConnectionWasClosing extends Error {}

/**
 * A call that may not be sent twice takes a connection of its own: cheap over a Unix socket, and it is never written into
 * one that the daemon is just closing.
 */
function post(call: HttpCall, socket: string, agent: Http.Agent | undefined): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    checkSocket(socket);
    const { path, signal } = call;
    const headers = { ...call.headers, "content-length": call.body.length };
    // Without an agent, which would parse "localhost" as an address first.
    const createConnection = () => net.connect({ path: socket });
    const way = agent === undefined ? { createConnection } : { agent, socketPath: socket };
    const request = http.request({ ...way, method: "POST", path, headers });
    const abort = () => request.destroy();
    const finished = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort, { once: true });
    request.on("error", (thrown) => {
      finished();
      if (signal?.aborted) reject(signal.reason);
      else if (request.reusedSocket) reject(new ConnectionWasClosing());
      else reject(connectionError(thrown, socket));
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
  const connections = new Connections();

  async function postOnce(call: HttpCall, socket: string): Promise<HttpAnswer> {
    try {
      return await post(call, socket, connections.agentFor(call));
    } catch (thrown) {
      if (!(thrown instanceof ConnectionWasClosing)) throw thrown;
      return await post(call, socket, undefined);
    }
  }

  async function tryAll(call: HttpCall): Promise<HttpAnswer> {
    let first: AgtmuxError | undefined;
    for (const socket of options.sockets()) {
      try {
        return await postOnce(call, socket);
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
