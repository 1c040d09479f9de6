import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  AdapterSchema,
  type AdapterService,
  ListAdaptersResponseSchema,
} from "../../../gen/agtmux/v1/adapter_pb.js";
import type { AnyAdapter } from "../adapters/contract.js";
import type { Micros } from "../engine/state.js";
import { timestamp } from "../watch/rows.js";

export function adapterService(
  adapters: readonly AnyAdapter[],
  now: () => Micros,
): ServiceImpl<typeof AdapterService> {
  return {
    listAdapters: () =>
      create(ListAdaptersResponseSchema, {
        schemaVersion: 1,
        generatedAt: timestamp(now()),
        adapters: adapters
          .toSorted((a, b) => (a.agentType < b.agentType ? -1 : 1))
          .map(({ agentType, displayName, contractVersion, capabilities, measuredVersions }) =>
            create(AdapterSchema, {
              agentType,
              displayName,
              contractVersion,
              capabilities: { ...capabilities },
              measuredVersions: [...measuredVersions],
            }),
          ),
      }),
  };
}
