import { toJsonString } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  type Interceptor,
} from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { type GetHealthResponse, GetHealthResponseSchema } from "../../../gen/agtmux/v1/daemon_pb.js";
import { ContractError } from "../contract-error.js";
import type { Logger } from "../log.js";
import { VERSION } from "../version.js";
import type { Handler } from "./dual-server.js";
import { answerError, type Request, type Response, withDetails } from "./error-answer.js";
import { completed, connectError, contractError } from "./errors.js";
import { WATCH_PATH, type WatchWire } from "./watch-wire.js";

export interface RouteOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly maxRequestBytes: number;
  readonly log: Logger;
  /** Serves GET /v1/health when given. */
  readonly health?: (() => GetHealthResponse) | undefined;
  /** Serves Watch where it can, before the library. */
  readonly watch?: WatchWire | undefined;
}

/** Why a call was cut off, if its own deadline did it: the library leaves that to the method, and ours do not look. */
function deadlinePassed({ aborted, reason }: AbortSignal): ConnectError | undefined {
  const expired = aborted && reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  return expired ? reason : undefined;
}

/** Rejects when the call's deadline passes; the method goes on by itself, and nobody hears of its result. */
function beforeDeadline<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const expired = new Promise<never>((_resolve, reject) => {
    const check = (): void => {
      const error = deadlinePassed(signal);
      if (error !== undefined) reject(error);
    };
    check();
    signal.addEventListener("abort", check, { once: true });
  });
  return Promise.race([answer, expired]);
}

/** Every error that leaves the daemon has its code and typed detail, a passed deadline too; see errors.ts. */
function errorInterceptor(log: Logger): Interceptor {
  const mapped = (error: unknown): ConnectError =>
    error instanceof ConnectError ? completed(error) : connectError(contractError(error, log));
  async function* guarded<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
    try {
      yield* messages;
      const late = deadlinePassed(signal);
      if (late !== undefined) throw late;
    } catch (error) {
      throw mapped(error);
    }
  }
  return (next) => async (request) => {
    try {
      const response = await beforeDeadline(next(request), request.signal);
      if (!response.stream) return response;
      return { ...response, message: guarded(response.message, request.signal) };
    } catch (error) {
      throw mapped(error);
    }
  };
}

/** The request handler of one socket: Connect, gRPC and gRPC-Web of the given services, and /v1/health. */
export function requestHandler({ routes, maxRequestBytes, log, health, watch }: RouteOptions): Handler {
  const router = createConnectRouter({
    interceptors: [errorInterceptor(log)],
    readMaxBytes: maxRequestBytes,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  routes(router);
  const methods = new Map(router.handlers.map((handler) => [handler.requestPath, withDetails(handler)]));

  const call = async (method: ReturnType<typeof withDetails>, request: Request, response: Response) => {
    try {
      const answer = await method(universalRequestFromNodeRequest(request, response, undefined, undefined));
      await universalResponseToNodeResponse(answer, response);
    } catch (error) {
      // The client has gone; there is nobody to tell.
      if (ConnectError.from(error).code !== Code.Aborted)
        log.warn({ error: String(error) }, "an answer was not sent");
      request.destroy();
    }
  };

  return (request, response) => {
    // A newer client can tell from any answer that the daemon is older than itself.
    response.setHeader("agtmux-version", VERSION);
    const [path = ""] = (request.url ?? "").split("?", 1);
    if (path === "/v1/health" && health !== undefined) {
      answerHealth(request, response, health);
      return;
    }
    if (path === WATCH_PATH && watch?.serve(request, response) === true) return;
    const method = methods.get(path);
    if (method === undefined) {
      answerError(request, response, new ContractError(ErrorCode.E_UNIMPLEMENTED, "no such method"));
      return;
    }
    void call(method, request, response);
  };
}

function answerHealth(request: Request, response: Response, health: () => GetHealthResponse): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    answerError(request, response, new ContractError(ErrorCode.E_INVALID_ARGUMENT, "only GET"));
    return;
  }
  response.setHeader("content-type", "application/json");
  response.end(toJsonString(GetHealthResponseSchema, health(), { alwaysEmitImplicit: true }));
}
