import http, { type IncomingHttpHeaders, type RequestListener } from "node:http";
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";
import { answerError, type Request, type Response } from "./error-answer.js";
import type { Admission } from "./guard.js";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const PREFACE_MS = 5_000;
const HEADERS_MS = 10_000;
/** Streams are open for days; a request's own body is not. */
const REQUEST_MS = 60_000;
/** How long a client may go on sending after it was answered. */
const LINGER_MS = 1_000;
const MAX_CONNECTIONS = 2_048;
const MAX_STREAMS = 1_024;
/** A client that takes nothing for this long is gone: every stream says something each 15 s. */
const STALLED_MS = 120_000;
/** How often a draining server closes the connections that have become idle. */
const DRAIN_LOOK_MS = 25;

export type Handler = (request: Request, response: Response) => void;

/** A server that is not listening yet. */
export interface DualServer {
  /** The one that is to listen; connections that came another way are given to `accept`. */
  readonly server: http.Server;
  readonly accept: (socket: Socket) => void;
  /** Stops accepting; resolves when all connections are closed, by force after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/** Serves HTTP/1.1 and cleartext HTTP/2 on the same connections; `admit` looks at every request before anything else. */
export function dualServer(
  admit: (headers: IncomingHttpHeaders) => Admission,
  handler: Handler,
  onError: (error: unknown) => void,
  stalledMs = STALLED_MS,
): DualServer {
  const guarded: Handler = (request, response) => {
    const admission = admit(request.headers);
    if (admission.kind === "refused") {
      answerError(request, response, new ContractError(ErrorCode.E_UNAUTHENTICATED, admission.message));
      return;
    }
    normalizeHost(request);
    try {
      handler(request, response);
    } catch (error) {
      onError(error);
      answerError(
        request,
        response,
        new ContractError(ErrorCode.E_INVALID_ARGUMENT, "the request cannot be understood"),
      );
    }
  };
  // Sound: both servers' requests and responses are members of the handler's unions.
  const h1 = http.createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 5_000,
      requireHostHeader: false,
    },
    guarded as RequestListener,
  );
  const h2 = http2.createServer({ settings: { maxConcurrentStreams: MAX_STREAMS } }, (request, response) => {
    lingerStream(response.stream);
    guarded(request, response);
  });
  const sockets = new Set<Socket>();
  const undecided = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  // Node's own inactivity: a connection whose client does not read makes no progress.
  h1.timeout = stalledMs;
  h2.on("session", (session) => {
    sessions.add(session);
    const streams = new Set<ServerHttp2Stream>();
    session.on("stream", (stream) => {
      streams.add(stream);
      stream.on("close", () => streams.delete(stream));
    });
    session.setTimeout(stalledMs, () => {
      // One without anything to send is only quiet: health watches of standard tools say nothing for days.
      if ([...streams].some((stream) => stream.writableLength > 0)) session.destroy();
    });
    session.on("close", () => sessions.delete(session));
    session.on("error", onError);
  });
  h2.on("sessionError", onError);
  h1.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    else socket.destroy();
  });
  h1.maxConnections = MAX_CONNECTIONS;

  // Node's own listener keeps its header timeouts only if the server that listens is the one that it belongs to.
  const serveHttp1 = h1.listeners("connection");
  h1.removeAllListeners("connection");
  const accept = (socket: Socket): void => {
    sockets.add(socket);
    undecided.add(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      undecided.delete(socket);
    });
    socket.on("error", () => socket.destroy());
    sniff(socket, (isHttp2) => {
      undecided.delete(socket);
      if (isHttp2) serveHttp2(socket);
      else {
        linger(socket);
        for (const serve of serveHttp1) serve.call(h1, socket);
      }
    });
  };
  // An HTTP/1.1 server's sockets may be half open; under HTTP/2 a client that was killed would never be missed.
  const serveHttp2 = (socket: Socket): void => {
    socket.allowHalfOpen = false;
    h2.emit("connection", socket);
  };
  h1.on("connection", accept);

  return {
    server: h1,
    accept,
    close: async (drainMs) => {
      const closed = new Promise<void>((resolve) => {
        h1.close(() => resolve());
      });
      for (const socket of undecided) socket.destroy();
      for (const session of sessions) session.close();
      // A connection is kept alive after its last answer; nobody will ask on it again.
      const look = setInterval(() => h1.closeIdleConnections(), DRAIN_LOOK_MS);
      const force = setTimeout(() => {
        for (const session of sessions) session.destroy();
        for (const socket of sockets) socket.destroy();
      }, drainMs);
      await Promise.all([closed, ...[...sockets].map(ended)]);
      clearInterval(look);
      clearTimeout(force);
    },
  };
}

/**
 * Node closes a connection as soon as its last answer is written. A client that is still sending then loses the answer
 * with the connection, so what it sends is read, and thrown away, for a while.
 */
function linger(socket: Socket): void {
  socket.destroySoon = () => {
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once("close", () => clearTimeout(timer));
    socket.once("end", () => socket.destroy());
    socket.end();
    socket.resume();
  };
}

/**
 * The same for one request over HTTP/2. Node resets a stream that was answered before its request was touched, and curl 7
 * takes the reset for a failure if it comes along with the answer; one that was read in part, Node leaves open for ever.
 */
function lingerStream(stream: ServerHttp2Stream): void {
  stream.once("finish", () => {
    if (stream.readableEnded) return;
    const timer = setTimeout(() => {
      stream.close();
      // What was not read keeps a closed stream alive.
      stream.destroy();
    }, LINGER_MS);
    stream.once("close", () => clearTimeout(timer));
    stream.resume();
  });
}

function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

/** Tells HTTP/2 by its preface, byte by byte if need be, and puts what it read back once. */
function sniff(socket: Socket, decided: (isHttp2: boolean) => void): void {
  let read: Buffer = Buffer.alloc(0);
  const giveUp = (): void => {
    socket.destroy();
  };
  const timer = setTimeout(giveUp, PREFACE_MS);
  const onReadable = (): void => {
    const chunk: unknown = socket.read();
    if (!Buffer.isBuffer(chunk)) return;
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    const compared = Math.min(read.length, PREFACE.length);
    const same = read.subarray(0, compared).equals(PREFACE.subarray(0, compared));
    if (same && compared < PREFACE.length) return;
    socket.off("readable", onReadable);
    socket.off("end", giveUp);
    clearTimeout(timer);
    socket.unshift(read);
    decided(same);
  };
  socket.on("readable", onReadable);
  // Whoever only looked whether somebody listens has gone again.
  socket.once("end", giveUp);
  socket.once("close", () => clearTimeout(timer));
}

function normalizeHost(request: Request): void {
  if (request.headers[":authority"] !== undefined) request.headers[":authority"] = "localhost";
  request.headers.host = "localhost";
}
