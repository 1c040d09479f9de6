import type { DescFile } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { ActionService, file_agtmux_v1_action } from "../../../gen/agtmux/v1/action_pb.js";
import { AdapterService, file_agtmux_v1_adapter } from "../../../gen/agtmux/v1/adapter_pb.js";
import { DaemonService, file_agtmux_v1_daemon } from "../../../gen/agtmux/v1/daemon_pb.js";
import { EventService, file_agtmux_v1_event } from "../../../gen/agtmux/v1/event_pb.js";
import { file_agtmux_v1_hook, HookService } from "../../../gen/agtmux/v1/hook_pb.js";
import { file_agtmux_v1_ingest, IngestService } from "../../../gen/agtmux/v1/ingest_pb.js";
import { file_agtmux_v1_state, StateService } from "../../../gen/agtmux/v1/state_pb.js";
import { file_agtmux_v1_target, TargetService } from "../../../gen/agtmux/v1/target_pb.js";
import { file_grpc_health_v1_health, Health } from "../../../gen/grpc/health/v1/health_pb.js";
import {
  file_grpc_reflection_v1_reflection,
  ServerReflection,
} from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import {
  file_grpc_reflection_v1alpha_reflection,
  ServerReflection as ServerReflectionAlpha,
} from "../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import type { AdapterRegistry } from "../adapters/registry.js";
import type { Journal } from "../ingest/journal.js";
import type { Store } from "../store/store.js";
import type { WatchHub } from "../watch/hub.js";
import { type ActionParts, actionService } from "./action-service.js";
import { adapterService } from "./adapter-service.js";
import { daemonService, type HealthParts } from "./daemon-service.js";
import { eventService } from "./event-service.js";
import type { Explainer } from "./explain.js";
import { grpcHealthService } from "./grpc-health.js";
import { grpcReflectionService } from "./grpc-reflection.js";
import { hookService } from "./hook-service.js";
import { type Ingestor, ingestService } from "./ingest-service.js";
import { stateService } from "./state-service.js";
import { targetService } from "./target-service.js";

export interface ServiceParts {
  readonly health: HealthParts;
  readonly store: Store;
  readonly journal: Journal;
  readonly hub: WatchHub;
  readonly explainer: Explainer;
  readonly ingestor: Ingestor;
  readonly registry: AdapterRegistry;
  readonly actions: ActionParts;
  /** Aborts when the daemon begins to stop. */
  readonly closing: AbortSignal;
}

const FILES: readonly DescFile[] = [
  file_agtmux_v1_action,
  file_agtmux_v1_adapter,
  file_agtmux_v1_daemon,
  file_agtmux_v1_event,
  file_agtmux_v1_hook,
  file_agtmux_v1_ingest,
  file_agtmux_v1_state,
  file_agtmux_v1_target,
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  file_grpc_reflection_v1alpha_reflection,
];

/** All services of docs/spec.md 8.2, and gRPC's own for standard tools. */
export function allServices(parts: ServiceParts): (router: ConnectRouter) => void {
  const { health, store, journal, hub, explainer, ingestor, registry, actions, closing } = parts;
  const { targets, places, now } = health;
  const names = new Set(FILES.flatMap((file) => file.services.map(({ typeName }) => typeName)));
  const reflection = grpcReflectionService(FILES);
  return (router) => {
    router.service(DaemonService, daemonService(health));
    router.service(TargetService, targetService(targets, now));
    router.service(StateService, stateService({ hub, store, explainer, now }));
    router.service(ActionService, actionService(actions));
    router.service(EventService, eventService({ store, journal, now, closing }));
    router.service(IngestService, ingestService(ingestor));
    router.service(HookService, hookService({ adapters: registry.adapters, targets, places, now }));
    router.service(AdapterService, adapterService(registry.adapters, now));
    router.service(Health, grpcHealthService(names, closing));
    router.service(ServerReflection, reflection);
    // Sound: the messages of both versions have the same fields, and the router only reads and writes fields.
    router.service(ServerReflectionAlpha, reflection as never);
  };
}

/** What the hooks' own socket serves. */
export function ingestOnly(ingestor: Ingestor): (router: ConnectRouter) => void {
  return (router) => {
    router.service(IngestService, ingestService(ingestor));
  };
}
