import { chmodSync, renameSync, statSync, unlinkSync } from "node:fs";
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import http2, { type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { admit } from "./guard.js";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
const PREFACE_MS = 5_000;
const HEADERS_MS = 10_000;
/** Streams are open for days; a request's own body is not. */
const REQUEST_MS = 60_000;
const MAX_CONNECTIONS = 2_048;

export type Handler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

export interface Listener {
  /** Stops accepting; resolves when all connections are closed, by force after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/**
 * Serves HTTP/1.1 and cleartext HTTP/2 on one Unix socket. The socket is bound under a name of its own, made 0600, and
 * renamed into place, so that it is never open to others; a stale one is replaced in the same step. The caller holds the
 * instance lock. Rejects with what listening throws.
 */
export async function listen(path: string, handler: Handler, onError: (error: unknown) => void): Promise<Listener> {
  const guarded: Handler = (request, response) => {
    const admission = admit(request.headers, path);
    if (admission.kind === "refused") {
      refuse(response, 401, admission.message);
      return;
    }
    normalizeHost(request);
    try {
      handler(request, response);
    } catch (error) {
      onError(error);
      refuse(response, 400, "the request cannot be understood");
    }
  };
  // Sound: both servers' requests and responses are members of the handler's unions.
  const h1 = http.createServer(
    { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, connectionsCheckingInterval: 5_000, requireHostHeader: false },
    guarded as RequestListener,
  );
  const h2 = http2.createServer({}, guarded);
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  h2.on("session", (session) => {
    sessions.add(session);
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
  h1.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    sniff(socket, (isHttp2) => {
      if (isHttp2) h2.emit("connection", socket);
      else for (const serve of serveHttp1) serve.call(h1, socket);
    });
  });

  const bound = `${path}.${process.pid}.tmp`;
  await new Promise<void>((resolve, reject) => {
    h1.once("error", reject);
    h1.listen(bound, resolve);
  });
  h1.on("error", onError);
  chmodSync(bound, 0o600);
  renameSync(bound, path);
  const inode = statSync(path).ino;

  return {
    close: async (drainMs) => {
      // While the lock is held nobody else can have bound here, but a person may have removed the file.
      if (statSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path);
      const closed = new Promise<void>((resolve) => {
        h1.close(() => resolve());
      });
      h1.closeIdleConnections();
      for (const session of sessions) session.close();
      const force = setTimeout(() => {
        for (const session of sessions) session.destroy();
        for (const socket of sockets) socket.destroy();
      }, drainMs);
      await closed;
      clearTimeout(force);
    },
  };
}

/** Tells HTTP/2 by its preface, byte by byte if need be, and puts what it read back once. */
function sniff(socket: Socket, decided: (isHttp2: boolean) => void): void {
  let read: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), PREFACE_MS);
  const onReadable = (): void => {
    const chunk: unknown = socket.read();
    if (!Buffer.isBuffer(chunk)) return;
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    const compared = Math.min(read.length, PREFACE.length);
    const same = read.subarray(0, compared).equals(PREFACE.subarray(0, compared));
    if (same && compared < PREFACE.length) return;
    socket.off("readable", onReadable);
    clearTimeout(timer);
    socket.unshift(read);
    decided(same);
  };
  socket.on("readable", onReadable);
  socket.once("close", () => clearTimeout(timer));
}

function normalizeHost(request: IncomingMessage | Http2ServerRequest): void {
  if (request.headers[":authority"] !== undefined) request.headers[":authority"] = "localhost";
  request.headers.host = "localhost";
}

function refuse(response: ServerResponse | Http2ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ code: status === 401 ? "unauthenticated" : "invalid_argument", message }));
}
