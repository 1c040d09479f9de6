import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { toJsonString } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { GetHealthResponseSchema } from "../../../gen/agtmux/v1/daemon_pb.js";
import type { GetHealthResponse } from "../../../gen/agtmux/v1/daemon_pb.js";
import type { Logger } from "../log.js";
import { completed, connectError, contractError } from "./errors.js";
import type { Handler } from "./listener.js";

export interface RouteOptions {
  readonly routes: (router: ConnectRouter) => void;
  readonly maxRequestBytes: number;
  readonly log: Logger;
  /** Serves GET /v1/health when given. */
  readonly health?: (() => GetHealthResponse) | undefined;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** Every error that leaves the daemon has its code and typed detail; see errors.ts. */
function errorInterceptor(log: Logger): Interceptor {
  const mapped = (error: unknown): ConnectError =>
    error instanceof ConnectError ? completed(error) : connectError(contractError(error, log));
  async function* guarded<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
    try {
      yield* messages;
    } catch (error) {
      throw mapped(error);
    }
  }
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: guarded(response.message) };
    } catch (error) {
      throw mapped(error);
    }
  };
}

function answer(response: Response, status: number, body: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(body);
}

/** The request handler of one socket: Connect, gRPC and gRPC-Web of the given services, and /v1/health. */
export function requestHandler({ routes, maxRequestBytes, log, health }: RouteOptions): Handler {
  const rpc = connectNodeAdapter({
    routes,
    interceptors: [errorInterceptor(log)],
    readMaxBytes: maxRequestBytes,
    // Sound below: the adapter hands on the very response that it was given.
    fallback: (_request, response) => {
      answer(response as Response, 404, JSON.stringify({ code: "unimplemented", message: "no such method" }));
    },
  });
  return (request: Request, response: Response) => {
    const [path] = (request.url ?? "").split("?", 1);
    if (path === "/v1/health" && health !== undefined) {
      if (request.method !== "GET" && request.method !== "HEAD") {
        answer(response, 405, JSON.stringify({ code: "invalid_argument", message: "only GET" }));
        return;
      }
      answer(response, 200, toJsonString(GetHealthResponseSchema, health(), { alwaysEmitImplicit: true }));
      return;
    }
    rpc(request, response);
  };
}
