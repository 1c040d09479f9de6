import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type Health,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../../gen/grpc/health/v1/health_pb.js";
import { ContractError } from "../contract-error.js";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

function answer(status: HealthCheckResponse_ServingStatus): HealthCheckResponse {
  return create(HealthCheckResponseSchema, { status });
}

/** `grpc.health.v1` for standard tools: everything is served until `closing` aborts. `services` are full names. */
export function grpcHealthService(
  services: ReadonlySet<string>,
  closing: AbortSignal,
): ServiceImpl<typeof Health> {
  const isKnown = (service: string): boolean => service === "" || services.has(service);
  const now = () => answer(closing.aborted ? NOT_SERVING : SERVING);
  return {
    check({ service }) {
      if (!isKnown(service)) throw new ContractError(ErrorCode.E_REF_NOT_FOUND, "no such service");
      return now();
    },
    async *watch({ service }, { signal }) {
      yield isKnown(service) ? now() : answer(SERVICE_UNKNOWN);
      const either = AbortSignal.any([signal, closing]);
      if (!either.aborted) {
        await new Promise((resolve) => either.addEventListener("abort", resolve, { once: true }));
      }
      if (!signal.aborted && isKnown(service)) yield now();
    },
  };
}
