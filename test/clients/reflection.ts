import type { Message } from "./foreign-client.js";

export const REFLECTION = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/** The services that reflection's answer to `listServices` names. */
export function listedServices(answer: Message | undefined): string[] {
  // Sound: gRPC's own contract; another answer lists nothing.
  const { listServicesResponse } = (answer ?? {}) as {
    listServicesResponse?: { service?: { name: string }[] };
  };
  return listServicesResponse?.service?.map(({ name }) => name) ?? [];
}
