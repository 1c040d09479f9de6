import type { IncomingHttpHeaders } from "node:http";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createUnixHttp, type HttpAnswer, type UnixHttp, type UnixHttpOptions } from "./unix-http.js";

/** Longest message that is read, in bytes: a watch snapshot of thousands of panes fits many times. */
const READ_MAX_BYTES = 64 * 1024 * 1024;
/** Longest request that the daemon takes, in bytes. */
const WRITE_MAX_BYTES = 4 * 1024 * 1024;
/** Outer deadline of a unary call that does not set its own, in milliseconds. */
export const CALL_TIMEOUT_MS = 15_000;

const PROTO = "application/proto";

function webHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string") result.append(name, value);
    else for (const each of value ?? []) result.append(name, each);
  }
  return result;
}

function plainHeaders(headers: Headers): Record<string, string> {
  const result: Record<string, string> = {};
  headers.forEach((value, name) => {
    result[name] = value;
  });
  return result;
}

async function readAll(body: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (body !== undefined) {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > READ_MAX_BYTES) {
        throw new ConnectError(`the message is longer than ${READ_MAX_BYTES} bytes`, Code.ResourceExhausted);
      }
      chunks.push(chunk);
    }
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** The error that an answer other than 200 stands for. */
async function answerError(answer: HttpAnswer): Promise<ConnectError> {
  const { codeFromHttpStatus, errorFromJsonBytes } = await import("@connectrpc/connect/protocol-connect");
  const plain = new ConnectError(`HTTP ${answer.status}`, codeFromHttpStatus(answer.status));
  if (!answer.headers["content-type"]?.startsWith("application/json")) return plain;
  return errorFromJsonBytes(await readAll(answer.body), webHeaders(answer.headers), plain);
}

/** Aborts after `timeoutMs` with DeadlineExceeded, or with `outer`; `done` releases both. */
function deadline(timeoutMs: number | undefined, outer: AbortSignal | undefined) {
  const controller = new AbortController();
  const abort = () => controller.abort(outer?.reason);
  outer?.addEventListener("abort", abort, { once: true });
  if (outer?.aborted) abort();
  const limit = timeoutMs ?? CALL_TIMEOUT_MS;
  const expire = () => controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const timer = limit > 0 ? setTimeout(expire, limit) : undefined;
  const done = () => {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
  };
  return { signal: controller.signal, done };
}

/** One unary call in the Connect protocol: the message is the body, an error is JSON with a status of its own. */
function unaryOver(send: UnixHttp): Transport["unary"] {
  return async (method, outer, timeoutMs, header, input) => {
    const { signal, done } = deadline(timeoutMs, outer);
    try {
      const answer = await send({
        path: `/${method.parent.typeName}/${method.name}`,
        headers: {
          ...(header === undefined ? {} : plainHeaders(new Headers(header))),
          "content-type": PROTO,
          "connect-protocol-version": "1",
        },
        body: toBinary(method.input, create(method.input, input)),
        signal,
        // An event carries its own id: told twice, it is taken once.
        repeatable:
          method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS ||
          method.name === "IngestEvents",
      });
      if (answer.status !== 200) throw await answerError(answer);
      const type = answer.headers["content-type"];
      if (type !== PROTO) throw new ConnectError(`unexpected content type ${type}`, Code.Internal);
      const message = fromBinary(method.output, await readAll(answer.body));
      return {
        stream: false,
        service: method.parent,
        method,
        message,
        // Made on demand: the first Headers of a process loads the whole of fetch.
        get header() {
          return webHeaders(answer.headers);
        },
        get trailer() {
          return new Headers();
        },
      };
    } catch (thrown) {
      throw signal.aborted ? ConnectError.from(signal.reason, Code.Canceled) : thrown;
    } finally {
      done();
    }
  };
}

function universalOver(send: UnixHttp): UniversalClientFn {
  return async (request) => {
    const answer = await send({
      path: new URL(request.url).pathname,
      headers: plainHeaders(request.header),
      body: await readAll(request.body),
      signal: request.signal,
    });
    const header = webHeaders(answer.headers);
    // Connect carries its trailers in the body over HTTP/1.
    return { status: answer.status, header, body: answer.body, trailer: new Headers() };
  };
}

/**
 * A transport over a Unix socket in the Connect protocol, binary, HTTP/1.1. It does without connect-node, which
 * loads HTTP/2 and the compressors on every start, and makes unary calls itself, because the library's general
 * machinery alone would cost a fifth of the CLI's start-up budget. Streams go through the library.
 */
export function createUnixTransport(options: UnixHttpOptions): Transport {
  const send = createUnixHttp(options);

  async function streaming(): Promise<Transport> {
    const { createTransport } = await import("@connectrpc/connect/protocol-connect");
    return createTransport({
      baseUrl: "http://localhost",
      httpClient: universalOver(send),
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: Number.MAX_SAFE_INTEGER,
      readMaxBytes: READ_MAX_BYTES,
      writeMaxBytes: WRITE_MAX_BYTES,
    });
  }

  return {
    unary: unaryOver(send),
    stream: async (method, signal, timeoutMs, header, input, contextValues) =>
      (await streaming()).stream(method, signal, timeoutMs, header, input, contextValues),
  };
}
