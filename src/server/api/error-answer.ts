import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { ErrorCode, ErrorDetailSchema } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";
import { completed, connectError } from "./errors.js";

export type Request = IncomingMessage | Http2ServerRequest;
export type Response = ServerResponse | Http2ServerResponse;

const JSON_TYPE = "application/json";
const ENVELOPE_HEAD = 5;

/** Ends a request that no method will see with an error of the table, in the protocol that it speaks. */
export function answerError(request: Request, response: Response, error: ContractError): void {
  if (response.headersSent) {
    response.end();
    return;
  }
  const thrown = connectError(error);
  const type = request.headers["content-type"] ?? "";
  if (type.startsWith("application/grpc")) {
    // gRPC's answer without a body: the status stands in the headers.
    response.statusCode = 200;
    response.setHeader("content-type", type);
    const status = setTrailerStatus(new Headers(), thrown);
    spareMessage(status);
    status.forEach((value, name) => {
      response.setHeader(name, value);
    });
    response.end();
    return;
  }
  if (type.startsWith("application/connect+")) {
    response.statusCode = 200;
    response.setHeader("content-type", type);
    const end = JSON.stringify(endStreamToJson(new Headers(), thrown, undefined));
    response.end(envelope(endStreamFlag, Buffer.from(end)));
    return;
  }
  response.statusCode = codeToHttpStatus(thrown.code);
  response.setHeader("content-type", JSON_TYPE);
  response.end(Buffer.from(errorToJsonBytes(thrown, undefined)));
}

/**
 * A handler whose every error carries the typed detail. Errors of streams and of the methods themselves have passed the
 * interceptor; what the library raises before it calls a unary method (a body too large, not JSON, a bad timeout, a
 * wrong content type) has not, and is amended in the answer.
 */
export function withDetails(
  handler: UniversalHandler,
): (request: UniversalServerRequest) => Promise<UniversalServerResponse> {
  return async (request) => {
    const response = await handler(request);
    if (response.status === 405)
      return refused(response, "this method is called with POST, reads with GET too");
    if (response.status === 505)
      return refused(response, "this method takes messages while it gives some, which needs HTTP/2");
    if (response.status === 415) return refused(response, "the content type is none that this method takes");
    const type = response.header?.get("content-type") ?? "";
    const isWeb = type.startsWith("application/grpc-web");
    if (type.startsWith("application/grpc") && !isWeb) return amendedTrailer(response);
    if (handler.method.methodKind !== "unary") return response;
    if (isWeb) return amendedWeb(response);
    // The library compresses long bodies only; its own errors are short.
    const plain = response.header?.has("content-encoding") !== true;
    return response.status >= 400 && plain ? amendedJson(response) : response;
  };
}

function refused(response: UniversalServerResponse, message: string): UniversalServerResponse {
  const error = connectError(new ContractError(ErrorCode.E_INVALID_ARGUMENT, message));
  const header = new Headers(response.header);
  header.set("content-type", JSON_TYPE);
  return { ...response, header, body: once(errorToJsonBytes(error, undefined)) };
}

async function amendedJson(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const bytes = await all(response.body);
  const unread = new ConnectError("the error cannot be read", Code.Internal);
  const error = amended(errorFromJsonBytes(bytes, undefined, unread));
  if (error === undefined) return { ...response, body: once(bytes) };
  const body = errorToJsonBytes(error, undefined);
  const header = new Headers(response.header);
  header.set("content-length", String(body.byteLength));
  return { ...response, status: codeToHttpStatus(error.code), header, body: once(body) };
}

function amendedTrailer(response: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = response;
  if (body === undefined || trailer === undefined) return response;
  async function* checked(chunks: AsyncIterable<Uint8Array>, status: Headers): AsyncIterable<Uint8Array> {
    yield* chunks;
    amendTrailer(status);
    spareMessage(status);
  }
  return { ...response, body: checked(body, trailer) };
}

/** gRPC-Web sends its trailers as the last envelope of the body. */
async function amendedWeb(response: UniversalServerResponse): Promise<UniversalServerResponse> {
  const bytes = Buffer.from(await all(response.body));
  for (let at = 0; at + ENVELOPE_HEAD <= bytes.length; ) {
    const end = at + ENVELOPE_HEAD + bytes.readUInt32BE(at + 1);
    if (bytes[at] !== trailerFlag) {
      at = end;
      continue;
    }
    const trailer = trailerParse(bytes.subarray(at + ENVELOPE_HEAD, end));
    if (!amendTrailer(trailer)) break;
    const data = trailerSerialize(trailer);
    return { ...response, body: once(Buffer.concat([bytes.subarray(0, at), envelope(trailerFlag, data)])) };
  }
  return { ...response, body: once(bytes) };
}

/** One frame of a stream. */
export function envelope(flags: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(ENVELOPE_HEAD);
  head.writeUInt8(flags);
  head.writeUInt32BE(data.byteLength, 1);
  return Buffer.concat([head, data]);
}

/**
 * Has gRPC's message percent-encoded no more than it must be: the library encodes every mark, and grpc-js gives them to
 * its user as they came.
 */
function spareMessage(trailer: Headers): void {
  const encoded = trailer.get("grpc-message");
  if (encoded === null) return;
  const message = decodeURIComponent(encoded);
  trailer.set("grpc-message", message.replace(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent));
}

function amendTrailer(trailer: Headers): boolean {
  const error = findTrailerError(trailer);
  const better = error === undefined ? undefined : amended(error);
  if (better === undefined) return false;
  setTrailerStatus(trailer, better);
  return true;
}

/** The error with its detail; undefined if it has one. */
function amended(error: ConnectError): ConnectError | undefined {
  const own = error.details.some((detail) => "type" in detail && detail.type === ErrorDetailSchema.typeName);
  return own ? undefined : completed(error);
}

async function all(body: UniversalServerResponse["body"]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
