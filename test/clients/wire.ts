import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { ErrorCode, ErrorDetailSchema } from "../../gen/agtmux/v1/common_pb.js";
import { type Message, RpcError } from "./foreign-client.js";

/** Connect's codes, in the order of gRPC's numbers. */
const CODES = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

interface ConnectErrorJson {
  readonly code: string;
  readonly message?: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
}

/** The error that a Connect error's JSON stands for; buf prints every protocol's errors in this form. */
export function connectJsonError({ code, message = "", details = [] }: ConnectErrorJson): RpcError {
  const own = details.find(({ type }) => type === ErrorDetailSchema.typeName);
  if (own === undefined) return new RpcError(CODES.indexOf(code), message);
  const detail = fromBinary(ErrorDetailSchema, base64Decode(own.value));
  return new RpcError(CODES.indexOf(code), message, { ...detail, code: ErrorCode[detail.code] ?? "" });
}

const HEAD = 5;
const END = 2;

/** A message with the head that Connect's streams and gRPC put before it. */
export function enveloped(data: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(data.byteLength, 1);
  return Buffer.concat([head, data]);
}

/** Reads the envelopes of a Connect stream in JSON as its bytes come. */
export class EnvelopeReader {
  readonly messages: Message[] = [];
  /** Undefined until the end mark has come. */
  end: { error?: ConnectErrorJson } | undefined;
  #rest = Buffer.alloc(0);

  push(chunk: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= HEAD) {
      const size = HEAD + this.#rest.readUInt32BE(1);
      if (this.#rest.length < size) return;
      const json: unknown = JSON.parse(this.#rest.toString("utf8", HEAD, size));
      // Sound: a Connect stream in JSON carries objects, and at its end an object that may hold an error.
      if (this.#rest[0] === END) this.end = json as { error?: ConnectErrorJson };
      else this.messages.push(json as Message);
      this.#rest = this.#rest.subarray(size);
    }
  }
}

/** Splits JSON objects that stand one after another, as buf prints them; gives them and what is left. */
export function jsonObjects(text: string): { objects: Message[]; rest: string } {
  const objects: Message[] = [];
  let begin = 0;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (inString) {
      if (char === "\\") at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "{") depth++;
    else if (char === "}" && --depth === 0) {
      // Sound: what begins with a brace is an object.
      objects.push(JSON.parse(text.slice(begin, at + 1)) as Message);
      begin = at + 1;
    }
  }
  return { objects, rest: text.slice(begin) };
}
