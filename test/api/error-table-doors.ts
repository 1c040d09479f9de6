import http from "node:http";
import http2 from "node:http2";
import { connect } from "node:net";
import { type DescMethod, fromJson, type JsonValue, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { ErrorCode, ErrorDetailSchema } from "../../src/client/index.js";
import type { ErrorFacts } from "../clients/foreign-client.js";
import { connectJsonError, EnvelopeReader, enveloped } from "../clients/wire.js";

/** A call that is to fail. */
export interface Call {
  readonly method: DescMethod;
  /** In ProtoJSON. */
  readonly request: JsonValue;
  /** A Unix socket's path, or host and port. */
  readonly at: string;
  /** Instead of the method's own. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
}

/** An error as one door told it. */
export interface Told {
  readonly http: number;
  /** gRPC's number; Connect's codes are the same. */
  readonly status: number;
  readonly detail: ErrorFacts | undefined;
}

const streams = ({ method }: Call): boolean => method.methodKind !== "unary";

function socketOf(at: string) {
  const [host = "", port = ""] = at.split(":");
  return at.startsWith("/") ? connect(at) : connect(Number(port), host);
}

interface Answer {
  readonly http: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

function post(call: Call, headers: Record<string, string>, body: Uint8Array): Promise<Answer> {
  const { method, at, path = `/${method.parent.typeName}/${method.name}` } = call;
  const host = at.startsWith("/") ? "localhost" : at;
  const head = { host, ...headers, ...call.headers, "content-length": String(body.byteLength) };
  return new Promise((resolve, reject) => {
    const options = { method: "POST", path, headers: head, createConnection: () => socketOf(at) };
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ http: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Connect with JSON, over HTTP/1.1. */
async function connectJson(call: Call): Promise<Told> {
  const { method, request, deadlineMs } = call;
  const deadline = deadlineMs === undefined ? {} : { "connect-timeout-ms": String(deadlineMs) };
  const json = Buffer.from(toJsonString(method.input, fromJson(method.input, request)));
  const type = `application/${streams(call) ? "connect+json" : "json"}`;
  const answer = await post(
    call,
    { "content-type": type, ...deadline },
    streams(call) ? enveloped(json) : json,
  );
  const text = answer.body.toString();
  let error: unknown;
  if (streams(call)) {
    const reader = new EnvelopeReader();
    reader.push(answer.body);
    error = reader.end?.error;
  } else error = JSON.parse(text);
  if (error === undefined) throw new Error(`no error in ${text}`);
  // Sound: Connect's form of an error.
  const { status, detail } = connectJsonError(error as { code: string });
  return { http: answer.http, status, detail };
}

function binary({ method, request }: Call): Buffer {
  return enveloped(toBinary(method.input, fromJson(method.input, request)));
}

function grpcHeaders(type: string, { deadlineMs }: Call): Record<string, string> {
  const deadline = deadlineMs === undefined ? {} : { "grpc-timeout": `${deadlineMs}m` };
  return { "content-type": type, te: "trailers", ...deadline };
}

function fromTrailer(http: number, trailer: Headers): Told {
  const error = findTrailerError(trailer);
  if (error === undefined) throw new Error(`no error in ${JSON.stringify([...trailer])}`);
  return { http, status: error.code, detail: factsOf(error) };
}

function factsOf(error: ConnectError): ErrorFacts | undefined {
  const [detail] = error.findDetails(ErrorDetailSchema);
  return detail === undefined ? undefined : { ...detail, code: ErrorCode[detail.code] ?? "" };
}

/** gRPC, over HTTP/2. */
async function grpc(call: Call): Promise<Told> {
  const { method, at, path = `/${method.parent.typeName}/${method.name}` } = call;
  const authority = at.startsWith("/") ? "localhost" : at;
  const session = http2.connect(`http://${authority}`, { createConnection: () => socketOf(at) });
  try {
    const head = { ":method": "POST", ":path": path, ":authority": authority };
    const stream = session.request({ ...head, ...grpcHeaders("application/grpc", call), ...call.headers });
    const seen = new Headers();
    let http = 0;
    const note = (headers: http2.IncomingHttpHeaders): void => {
      http = Number(headers[":status"] ?? http);
      for (const [name, value] of Object.entries(headers))
        if (!name.startsWith(":")) seen.set(name, String(value));
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.resume();
    stream.end(binary(call));
    await new Promise((resolve, reject) => {
      stream.once("end", resolve);
      stream.once("error", reject);
      session.once("error", reject);
    });
    return fromTrailer(http, seen);
  } finally {
    session.destroy();
  }
}

/** gRPC-Web, over HTTP/1.1. */
async function grpcWeb(call: Call): Promise<Told> {
  const { http, headers, body } = await post(
    call,
    grpcHeaders("application/grpc-web+proto", call),
    binary(call),
  );
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (body[at] === trailerFlag) return fromTrailer(http, trailerParse(body.subarray(at + 5, end)));
    at = end;
  }
  // Without a body the status stands in the headers.
  const named = Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]);
  return fromTrailer(http, new Headers(named));
}

/** Every protocol in which a call can be made. */
export const DOORS = { connectJson, grpc, grpcWeb };
