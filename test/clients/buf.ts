import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { ForeignClient, ForeignStream, Message } from "./foreign-client.js";
import { listedServices, REFLECTION } from "./reflection.js";
import { connectJsonError, jsonObjects } from "./wire.js";

const ROOT = join(import.meta.dirname, "..", "..");
/** The program itself: npm's `buf` starts it as a child, and a signal would end only the parent. */
const BUF = createRequire(createRequire(import.meta.url).resolve("@bufbuild/buf/package.json")).resolve(
  `@bufbuild/buf-${process.platform}-${process.arch}/bin/buf`,
);
const SCHEMAS = [join(ROOT, "proto"), join(import.meta.dirname, "proto")];

export interface BufOptions {
  readonly protocol: "connect" | "grpc" | "grpcweb";
  /** Where it learns the methods: from the daemon itself, or from the .proto files. */
  readonly schema: "reflection" | "files";
}

/** `buf curl`. */
export class Buf implements ForeignClient {
  readonly #running = new Set<ChildProcess>();
  readonly #words: readonly string[];

  readonly #schema: BufOptions["schema"];

  constructor(socketPath: string, { protocol, schema }: BufOptions) {
    this.#schema = schema;
    const files = schema === "files" ? SCHEMAS.flatMap((path) => ["--schema", path]) : [];
    this.#words = ["--protocol", protocol, "--unix-socket", socketPath, ...files];
  }

  async call(method: string, request: Message): Promise<Message> {
    const { messages, over } = this.open(method, request);
    const error = await over;
    if (error !== undefined) throw error;
    const [message] = messages;
    if (message === undefined || messages.length > 1) throw new Error(`${messages.length} messages`);
    return message;
  }

  open(method: string, request: Message, deadlineMs?: number): ForeignStream {
    const deadline = deadlineMs === undefined ? [] : ["--timeout", `${deadlineMs}ms`];
    const buf = this.#spawn([...deadline, "-d", "@-", `http://localhost/${method}`], JSON.stringify(request));
    const messages: Message[] = [];
    let unread = "";
    buf.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const { objects, rest } = jsonObjects(unread + text);
      messages.push(...objects);
      unread = rest;
    });
    return { messages, over: ended(buf), cancel: () => buf.kill("SIGTERM") };
  }

  async services(): Promise<string[]> {
    // Told of files, `--list-services` lists what those say and asks no daemon.
    if (this.#schema === "files") return this.#reflected();
    const buf = this.#spawn(["--list-services", "http://localhost"], "");
    let printed = "";
    buf.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    const error = await ended(buf);
    if (error !== undefined) throw error;
    return printed.trim().split("\n");
  }

  close(): void {
    for (const buf of this.#running) buf.kill("SIGKILL");
  }

  async #reflected(): Promise<string[]> {
    return listedServices(await this.call(REFLECTION, { listServices: "" }));
  }

  #spawn(words: readonly string[], stdin: string): ChildProcess {
    const buf = spawn(BUF, ["curl", ...this.#words, ...words], { stdio: ["pipe", "pipe", "pipe"] });
    this.#running.add(buf);
    buf.once("close", () => this.#running.delete(buf));
    buf.stdin?.on("error", () => undefined).end(stdin);
    return buf;
  }
}

/** Resolves with the daemon's error if it printed one, else with its own. */
function ended(buf: ChildProcess): Promise<Error | undefined> {
  let said = "";
  buf.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    buf.once("error", reject);
    buf.once("close", (status, signal) => {
      if (status === 0) {
        resolve(undefined);
        return;
      }
      const [error] = jsonObjects(said).objects;
      // Sound: an error that stands there as JSON has Connect's form.
      if (error !== undefined) resolve(connectJsonError(error as { code: string }));
      else resolve(new Error(`buf ended with ${status ?? signal}: ${said}`));
    });
  });
}
