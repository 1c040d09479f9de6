import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ActionService } from "../../gen/agtmux/v1/action_pb.js";
import { AdapterService } from "../../gen/agtmux/v1/adapter_pb.js";
import { DaemonService } from "../../gen/agtmux/v1/daemon_pb.js";
import { EventService } from "../../gen/agtmux/v1/event_pb.js";
import { HookService } from "../../gen/agtmux/v1/hook_pb.js";
import { IngestService } from "../../gen/agtmux/v1/ingest_pb.js";
import { StateService, type WatchRequestSchema } from "../../gen/agtmux/v1/state_pb.js";
import { TargetService } from "../../gen/agtmux/v1/target_pb.js";
import { type Environment, socketCandidates } from "./paths.js";
import { withTypedErrors } from "./typed-errors.js";
import { CALL_TIMEOUT_MS, createUnixTransport } from "./unix-transport.js";
import { type CursorStore, type WatchEvent, type WatchOptions, watchStream } from "./watch-stream.js";

export * from "../../gen/agtmux/v1/action_pb.js";
export * from "../../gen/agtmux/v1/adapter_pb.js";
export * from "../../gen/agtmux/v1/common_pb.js";
export * from "../../gen/agtmux/v1/daemon_pb.js";
export * from "../../gen/agtmux/v1/event_pb.js";
export * from "../../gen/agtmux/v1/hook_pb.js";
export * from "../../gen/agtmux/v1/ingest_pb.js";
export * from "../../gen/agtmux/v1/state_pb.js";
export * from "../../gen/agtmux/v1/target_pb.js";
export { AgtmuxError, type ErrorFacts, toAgtmuxError } from "./errors.js";
export { socketCandidates } from "./paths.js";
export type { CursorStore, WatchEvent, WatchOptions };

/** A daemon's TCP port: see `agtmuxd --tcp`. */
export interface TcpOptions {
  /** As the daemon wrote it to `tcp-address` in its state directory: host and port. */
  readonly address: string;
  /** As it stands in `tcp-token` there. */
  readonly token: string;
}

export interface ConnectOptions {
  /** A socket's absolute path. Absent: found as docs/spec.md 8.1 says, from `env`. */
  readonly socket?: string | undefined;
  /** The environment that is searched for a socket; the process's own by default. */
  readonly env?: Environment | undefined;
  /** Called when no daemon listens, before the call is tried once more; may start one. */
  readonly onNotRunning?: (() => Promise<void>) | undefined;
  /** Goes over a TCP port instead of the socket. */
  readonly tcp?: TcpOptions | undefined;
}

/** The daemon's services as typed clients. Their calls reject with AgtmuxError. */
export interface Agtmux {
  readonly transport: Transport;
  readonly daemon: Client<typeof DaemonService>;
  readonly targets: Client<typeof TargetService>;
  readonly state: Client<typeof StateService>;
  readonly actions: Client<typeof ActionService>;
  readonly events: Client<typeof EventService>;
  readonly ingest: Client<typeof IngestService>;
  readonly hooks: Client<typeof HookService>;
  readonly adapters: Client<typeof AdapterService>;
  /** Watches with reconnection and resumption; see watchStream. */
  watch(
    request?: MessageInitShape<typeof WatchRequestSchema>,
    options?: WatchOptions,
  ): AsyncGenerator<WatchEvent>;
}

/**
 * Gives clients of all services of the daemon on this machine. Opens nothing yet: every call connects by
 * itself, over a socket after checking that it is this user's alone. Throws E_INVALID_ARGUMENT on an unusable path.
 */
export function connect(options: ConnectOptions = {}): Agtmux {
  const transport = withTypedErrors(
    options.tcp === undefined ? unixTransport(options) : tcpTransport(options.tcp),
  );
  const state = createClient(StateService, transport);
  return {
    transport,
    daemon: createClient(DaemonService, transport),
    targets: createClient(TargetService, transport),
    state,
    actions: createClient(ActionService, transport),
    events: createClient(EventService, transport),
    ingest: createClient(IngestService, transport),
    hooks: createClient(HookService, transport),
    adapters: createClient(AdapterService, transport),
    watch: (request = {}, watchOptions = {}) => watchStream(state, request, watchOptions),
  };
}

function unixTransport({ socket, env = process.env, onNotRunning }: ConnectOptions): Transport {
  const sockets = () => (socket === undefined ? socketCandidates(env) : [socket]);
  sockets();
  return createUnixTransport({ sockets, onNotRunning });
}

function tcpTransport({ address, token }: TcpOptions): Transport {
  return createConnectTransport({
    baseUrl: `http://${address}`,
    httpVersion: "1.1",
    defaultTimeoutMs: CALL_TIMEOUT_MS,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
}
