import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type MethodDefinition, type PackageDefinition } from "@grpc/proto-loader";
import { type ForeignClient, type ForeignStream, type Message, RpcError } from "./foreign-client.js";
import { listedServices, REFLECTION } from "./reflection.js";

const FOLDERS = [join(import.meta.dirname, "..", "..", "proto"), join(import.meta.dirname, "proto")];

function load(): PackageDefinition {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".proto")),
  );
  return loadSync(files, { includeDirs: FOLDERS, longs: String, enums: String });
}

/** `@grpc/grpc-js` with the contract as `@grpc/proto-loader` reads it. */
export class GrpcJs implements ForeignClient {
  readonly #types = load();
  readonly #client: Client;

  constructor(socketPath: string) {
    this.#client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  }

  call(name: string, request: Message): Promise<Message> {
    const { path, requestSerialize, responseDeserialize } = this.#method(name);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) => {
        if (error !== null) reject(this.#rpcError(error));
        // Sound: proto-loader gives a plain object for a message.
        else resolve(answer as Message);
      });
    });
  }

  open(name: string, request: Message, deadlineMs?: number): ForeignStream {
    const { path, requestSerialize, responseDeserialize } = this.#method(name);
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      options,
    );
    return { ...this.#read(call), cancel: () => call.cancel() };
  }

  async services(): Promise<string[]> {
    const { path, requestSerialize, responseDeserialize } = this.#method(REFLECTION);
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    call.write({ listServices: "" });
    call.end();
    const { messages, over } = this.#read(call);
    const error = await over;
    if (error !== undefined) throw error;
    return listedServices(messages[0]);
  }

  close(): void {
    this.#client.close();
  }

  #read(call: NodeJS.ReadableStream): Pick<ForeignStream, "messages" | "over"> {
    const messages: Message[] = [];
    call.on("data", (message: Message) => messages.push(message));
    const over = new Promise<Error | undefined>((resolve) => {
      call.on("error", (error: ServiceError) => resolve(this.#rpcError(error)));
      call.on("end", () => resolve(undefined));
    });
    return { messages, over };
  }

  #method(name: string): MethodDefinition<object, object> {
    const [service = "", method = ""] = name.split("/");
    const found = this.#types[service];
    // Sound: what is no message and no enum is a service.
    const definition = found === undefined || "format" in found ? undefined : found[method];
    if (definition === undefined) throw new Error(`no method ${name}`);
    return definition as MethodDefinition<object, object>;
  }

  /** What google.rpc.Status in the trailers says; grpc-js itself reads only status and message. */
  #rpcError({ code, details, metadata }: ServiceError): RpcError {
    const [packed] = metadata.get("grpc-status-details-bin");
    if (!Buffer.isBuffer(packed)) return new RpcError(code, details);
    const status = this.#decode("google.rpc.Status", packed) as { details?: { value?: Buffer }[] };
    const detail = this.#decode("agtmux.v1.ErrorDetail", status.details?.[0]?.value ?? Buffer.alloc(0));
    // Sound: an absent field has its default.
    return new RpcError(code, details, {
      code: "",
      message: "",
      details: {},
      retryable: false,
      ...detail,
    });
  }

  #decode(name: string, bytes: Buffer): object {
    const type = this.#types[name];
    if (type === undefined || !("deserialize" in type)) throw new Error(`no message ${name}`);
    // Sound: a message type's deserialize; services have methods instead, enums none.
    return (type.deserialize as (bytes: Buffer) => object)(bytes);
  }
}
