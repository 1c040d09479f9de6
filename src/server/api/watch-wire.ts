import { once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Logger } from "../log.js";
import type { WatchHub } from "../watch/hub.js";
import type { Request, Response } from "./error-answer.js";
import { envelope } from "./error-answer.js";
import { connectError, contractError } from "./errors.js";

/** The method that is served here. */
export const WATCH_PATH = "/agtmux.v1.StateService/Watch";

const HEAD = 5;
const COMPRESSED = 1;

interface Codec {
  decode(bytes: Uint8Array): WatchRequest;
  encode(message: WatchResponse): Uint8Array;
}

const JSON_CODEC: Codec = {
  decode: (bytes) =>
    fromJsonString(WatchRequestSchema, Buffer.from(bytes).toString("utf8"), { ignoreUnknownFields: true }),
  encode: (message) => Buffer.from(toJsonString(WatchResponseSchema, message)),
};
const BINARY_CODEC: Codec = {
  decode: (bytes) => fromBinary(WatchRequestSchema, bytes),
  encode: (message) => toBinary(WatchResponseSchema, message),
};
const CODECS: Readonly<Record<string, Codec>> = {
  "application/connect+proto": BINARY_CODEC,
  "application/connect+json": JSON_CODEC,
};

/**
 * Serves Watch in the Connect protocol over HTTP/1.1 without the library, whose streams cost most of what a thousand
 * watchers do: a message that many streams carry is encoded once, and goes to the connection in one write. Whatever is
 * asked for in another way (HTTP/2, gRPC, compression, a timeout) is left to the library.
 */
export class WatchWire {
  /** Frames of messages that several streams share; a message lives as long as somebody is about to send it. */
  readonly #frames = new Map<Codec, WeakMap<WatchResponse, Buffer>>([
    [JSON_CODEC, new WeakMap()],
    [BINARY_CODEC, new WeakMap()],
  ]);

  constructor(
    private readonly hub: WatchHub,
    private readonly maxRequestBytes: number,
    private readonly log: Logger,
  ) {}

  /** False if this request is for the library. */
  serve(request: Request, response: Response): boolean {
    if (!(request instanceof IncomingMessage) || !(response instanceof ServerResponse)) return false;
    const type = request.headers["content-type"] ?? "";
    const codec = CODECS[type];
    const plain = ["identity", undefined].includes(header(request, "connect-content-encoding"));
    const version = header(request, "connect-protocol-version") ?? "1";
    const timed = header(request, "connect-timeout-ms") !== undefined;
    if (request.method !== "POST" || codec === undefined || !plain || timed || version !== "1") return false;
    response.statusCode = 200;
    response.setHeader("content-type", type);
    this.#stream(request, response, codec).catch((error: unknown) => {
      // The client has gone; there is nobody to tell.
      this.log.debug({ error: String(error) }, "a watcher went");
      response.destroy();
    });
    return true;
  }

  async #stream(request: IncomingMessage, response: ServerResponse, codec: Codec): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    let end = endStreamToJson(new Headers(), undefined, undefined);
    try {
      const asked = decoded(codec, await this.#body(request));
      for await (const message of this.hub.stream(asked, gone.signal)) {
        if (gone.signal.aborted) return;
        if (!response.write(this.#frame(codec, message)))
          await once(response, "drain", { signal: gone.signal });
      }
    } catch (error) {
      if (gone.signal.aborted) return;
      const thrown = connectError(contractError(error, this.log));
      end = endStreamToJson(new Headers(), thrown, undefined);
    }
    if (!gone.signal.aborted) response.end(envelope(endStreamFlag, Buffer.from(JSON.stringify(end))));
  }

  #frame(codec: Codec, message: WatchResponse): Buffer {
    const frames = this.#frames.get(codec);
    const known = frames?.get(message);
    if (known !== undefined) return known;
    const frame = envelope(0, codec.encode(message));
    frames?.set(message, frame);
    return frame;
  }

  /** The one message of the request. Throws E_RESOURCE_EXHAUSTED and E_INVALID_ARGUMENT. */
  async #body(request: IncomingMessage): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const bounded = (length: number): void => {
      if (length <= this.maxRequestBytes) return;
      const message = `the message is longer than ${this.maxRequestBytes} bytes`;
      throw new ContractError(ErrorCode.E_RESOURCE_EXHAUSTED, message);
    };
    for await (const chunk of request) {
      // Sound: no encoding is set, so a request's chunks are buffers.
      const buffer = chunk as Buffer;
      bytes += buffer.length;
      bounded(bytes - HEAD);
      chunks.push(buffer);
    }
    const body = Buffer.concat(chunks);
    if (body.length >= HEAD) bounded(body.readUInt32BE(1));
    const wrong = (what: string) => invalidArgument("body", what);
    if (body.length < HEAD || body.length !== HEAD + body.readUInt32BE(1)) {
      throw wrong("must be exactly one enveloped message");
    }
    if (((body[0] ?? 0) & COMPRESSED) !== 0) throw wrong("is compressed, which its headers do not say");
    return body.subarray(HEAD);
  }
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function decoded(codec: Codec, bytes: Uint8Array): WatchRequest {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw invalidArgument("body", error instanceof Error ? error.message : String(error));
  }
}
