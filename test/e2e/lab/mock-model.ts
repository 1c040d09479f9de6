import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { EventStream, type StreamPace } from "./event-stream.js";
import { asList, asRecord } from "./json-view.js";
import { isAnthropicSideJob, readAnthropicTurn, streamAnthropic } from "./mock-anthropic.js";
import { type Behaviour, pickBehaviour, type Turn } from "./mock-behaviour.js";
import { isResponsesSideJob, readResponsesTurn, streamResponses } from "./mock-responses.js";

export type MockApi = "anthropic" | "responses";

export interface MockRequest {
  /** Milliseconds since the epoch, when the whole request had arrived. */
  readonly atMs: number;
  readonly api: MockApi;
  /** What the mock does with it; "side-job" is a title or a token count, not a turn. */
  readonly kind: Behaviour["kind"] | "side-job";
  /** The newest prompt in the request. */
  readonly text: string;
}

export interface MockModelOptions extends Partial<StreamPace> {
  /** Where the `edit file` behaviour of the Anthropic side writes. */
  readonly workDir: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
}

interface Exchange {
  readonly api: MockApi;
  readonly body: Record<string, unknown>;
  readonly response: ServerResponse;
  readonly gone: AbortSignal;
}

/** Only side jobs of Claude Code come without streaming. */
const UNSTREAMED_ANSWER = {
  id: "msg_mock",
  type: "message",
  role: "assistant",
  content: [{ type: "text", text: "ok" }],
  stop_reason: "end_turn",
  usage: { input_tokens: 1, output_tokens: 1 },
};
const SIDE_JOB_ANSWER: Behaviour = { kind: "text", text: JSON.stringify({ title: "Mock title" }) };

/** A mock model on 127.0.0.1 that speaks Anthropic Messages and OpenAI Responses, streaming. */
export class MockModel {
  readonly requests: MockRequest[] = [];
  readonly #options: Required<MockModelOptions>;
  readonly #server: Server;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(request: MockRequest) => void>();
  readonly #failed = new Set<string>();

  private constructor(options: Required<MockModelOptions>) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        process.stderr.write(`mock model: ${String(error)}\n`);
        response.destroy();
      });
    });
  }

  /** Starts listening. The caller owns the mock and must close it. */
  static async start(options: MockModelOptions): Promise<MockModel> {
    const mock = new MockModel({ slowWords: 40, slowPauseMs: 250, port: 0, ...options });
    await new Promise<void>((resolve, reject) => {
      mock.#server.once("error", reject);
      mock.#server.listen(mock.#options.port, "127.0.0.1", resolve);
    });
    return mock;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Calls `listener` for each request from now on; returns the function that stops it. */
  onRequest(listener: (request: MockRequest) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first matching request after this call. */
  async nextRequest(matches: (request: MockRequest) => boolean, timeoutMs: number): Promise<MockRequest> {
    const { promise, resolve, reject } = Promise.withResolvers<MockRequest>();
    const timer = setTimeout(
      () => reject(new Error(`no such model request within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const stop = this.onRequest((request) => {
      if (matches(request)) resolve(request);
    });
    return promise.finally(() => {
      clearTimeout(timer);
      stop();
    });
  }

  /** Ends every open answer and stops listening. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const clientGone = new AbortController();
    response.once("close", () => clientGone.abort());
    const body = asRecord(parseJson(await readText(request)));
    const path = (request.url ?? "").split("?")[0] ?? "";
    const api = apiOf(request.method, path);
    if (api !== undefined) {
      const gone = AbortSignal.any([clientGone.signal, this.#closing.signal]);
      return this.#answerTurn({ api, body, response, gone });
    }
    if (path.endsWith("/count_tokens")) return sendJson(response, 200, { input_tokens: 100 });
    if (path.endsWith("/models")) return sendJson(response, 200, { object: "list", data: [], models: [] });
    sendJson(response, 404, { error: { message: "mock: not found" } });
  }

  async #answerTurn(exchange: Exchange): Promise<void> {
    const { api, body } = exchange;
    const turn = { ...readTurn(api, body), failedBefore: this.#failed.has(requestKey(api, body)) };
    const sideJob = api === "anthropic" ? isAnthropicSideJob(body) : isResponsesSideJob(body);
    const behaviour = sideJob ? SIDE_JOB_ANSWER : pickBehaviour(turn);
    this.#record({ atMs: Date.now(), api, kind: sideJob ? "side-job" : behaviour.kind, text: turn.prompt });
    if (behaviour.kind === "fail") {
      this.#failed.add(requestKey(api, body));
      return sendJson(exchange.response, behaviour.status, failureBody(api, behaviour.status));
    }
    if (body["stream"] !== true) return sendJson(exchange.response, 200, UNSTREAMED_ANSWER);
    const stream = new EventStream(exchange.response, exchange.gone);
    if (api === "anthropic") await streamAnthropic(stream, body, behaviour, this.#options);
    else await streamResponses(stream, body, behaviour, this.#options);
    stream.end();
  }

  #record(request: MockRequest): void {
    this.requests.push(request);
    for (const listener of this.#listeners) listener(request);
  }
}

function apiOf(method: string | undefined, path: string): MockApi | undefined {
  if (method !== "POST") return undefined;
  if (path.endsWith("/messages")) return "anthropic";
  return path.endsWith("/responses") ? "responses" : undefined;
}

function readTurn(api: MockApi, body: Record<string, unknown>): Omit<Turn, "failedBefore"> {
  return api === "anthropic" ? readAnthropicTurn(body) : readResponsesTurn(body);
}

/** A retry has the same key as the request it repeats; a later prompt of the conversation has another. */
function requestKey(api: MockApi, body: Record<string, unknown>): string {
  const length = asList(api === "anthropic" ? body["messages"] : body["input"]).length;
  return `${api} ${length} ${readTurn(api, body).prompt}`;
}

function failureBody(api: MockApi, status: number): Record<string, unknown> {
  const message = `mock failure ${status}`;
  if (api === "responses") return { error: { message, type: "server_error", code: null } };
  return { type: "error", error: { type: anthropicErrorType(status), message }, request_id: "req_mock" };
}

function anthropicErrorType(status: number): string {
  const types: Readonly<Record<number, string>> = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
  };
  return types[status] ?? "api_error";
}

function parseJson(text: string): unknown {
  return text === "" ? {} : JSON.parse(text);
}

function sendJson(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
