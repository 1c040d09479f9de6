import { type ChildProcess, spawn } from "node:child_process";
import type { ForeignClient, ForeignStream, Message } from "./foreign-client.js";
import { listedServices, REFLECTION } from "./reflection.js";
import { connectJsonError, EnvelopeReader, enveloped } from "./wire.js";

export interface CurlOptions {
  /** `--http2-prior-knowledge` instead of HTTP/1.1. */
  readonly http2?: boolean;
  /** Connect GET: the message stands in the URL. */
  readonly get?: boolean;
}

const JSON_TYPE = "content-type: application/json";
const STREAM_TYPE = "content-type: application/connect+json";

/** curl as a client of Connect's JSON. */
export class Curl implements ForeignClient {
  readonly #running = new Set<ChildProcess>();

  constructor(
    private readonly socketPath: string,
    private readonly options: CurlOptions = {},
  ) {}

  async call(method: string, request: Message): Promise<Message> {
    const json = JSON.stringify(request);
    const query = `?connect=v1&encoding=json&message=${encodeURIComponent(json)}`;
    const body = this.options.get === true ? undefined : json;
    const words = body === undefined ? [] : ["-H", JSON_TYPE, "--data-binary", "@-"];
    // The status comes after the body, on a line of its own.
    const url = `${method}${body === undefined ? query : ""}`;
    const curl = this.#spawn([...words, "-w", "\n%{http_code}"], url, body);
    let printed = "";
    curl.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
    await ended(curl);
    const cut = printed.lastIndexOf("\n");
    // Sound: an answer in JSON is a message, or what connectJsonError takes.
    const answer = JSON.parse(printed.slice(0, cut)) as Message & { code: string };
    if (printed.slice(cut + 1) === "200") return answer;
    throw connectJsonError(answer);
  }

  open(method: string, request: Message, deadlineMs?: number): ForeignStream {
    const reader = new EnvelopeReader();
    const deadline = deadlineMs === undefined ? [] : ["-H", `connect-timeout-ms: ${deadlineMs}`];
    const words = ["-N", "-f", "-H", STREAM_TYPE, ...deadline, "--data-binary", "@-"];
    const curl = this.#spawn(words, method, enveloped(Buffer.from(JSON.stringify(request))));
    curl.stdout?.on("data", (chunk: Buffer) => reader.push(chunk));
    const over = ended(curl).then(
      () => {
        if (reader.end === undefined) return new Error("the stream has no end");
        return reader.end.error === undefined ? undefined : connectJsonError(reader.end.error);
      },
      (error: Error) => error,
    );
    return { messages: reader.messages, over, cancel: () => curl.kill("SIGTERM") };
  }

  async services(): Promise<string[]> {
    const asked = this.open(REFLECTION, { listServices: "" });
    const error = await asked.over;
    if (error !== undefined) throw error;
    return listedServices(asked.messages[0]);
  }

  close(): void {
    for (const curl of this.#running) curl.kill("SIGKILL");
  }

  #spawn(words: readonly string[], path: string, body: string | Buffer | undefined): ChildProcess {
    const version = this.options.http2 === true ? ["--http2-prior-knowledge"] : [];
    const all = ["-sS", "-g", "-m", "30", "--unix-socket", this.socketPath, ...version, ...words];
    const curl = spawn("curl", [...all, `http://localhost/${path}`], { stdio: ["pipe", "pipe", "pipe"] });
    this.#running.add(curl);
    curl.once("close", () => this.#running.delete(curl));
    // curl may have its answer before it has read all of a body that is too large.
    curl.stdin?.on("error", () => undefined).end(body);
    return curl;
  }
}

/** Resolves when it ended well; rejects with what it said, or the signal's name. */
function ended(child: ChildProcess): Promise<void> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`curl ended with ${status ?? signal}: ${said}`));
    });
  });
}
