import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  AdapterHealthSchema,
  ChannelHealthSchema,
  ConfigEntrySchema,
  type DaemonService,
  type Degradation,
  DegradationSchema,
  GetConfigResponseSchema,
  type GetHealthResponse,
  GetHealthResponseSchema,
  ShutdownResponseSchema,
} from "../../../gen/agtmux/v1/daemon_pb.js";
import { type Config, DEFAULTS, type Places } from "../config.js";
import type { Micros } from "../engine/state.js";
import type { Journal } from "../ingest/journal.js";
import type { TargetManager } from "../targets/manager.js";
import { contractHash, VERSION } from "../version.js";
import type { WatchHub } from "../watch/hub.js";
import { SOURCE_TO_WIRE, timestamp } from "../watch/rows.js";
import { targetMessage } from "./target-service.js";

/** Something lasting of this daemon life that does not work as it should. */
export interface Shortfall {
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly since: Micros;
}

export interface HealthParts {
  readonly instanceId: string;
  readonly startedAt: Micros;
  readonly places: Places;
  readonly config: Config;
  readonly journal: Journal;
  readonly targets: TargetManager;
  readonly hub: WatchHub;
  readonly now: () => Micros;
  readonly shortfalls: () => readonly Shortfall[];
  /** Begins to stop; returns at once. */
  readonly shutdown: () => void;
}

/** The health document of GetHealth and /v1/health. */
export function healthDocument(parts: HealthParts): GetHealthResponse {
  const { journal, targets, hub, now, places } = parts;
  const runtimes = [...journal.runtimes()];
  const shortcomings = targets.list().flatMap((monitor) => monitor.shortcomings);
  return create(GetHealthResponseSchema, {
    schemaVersion: 1,
    generatedAt: timestamp(now()),
    version: VERSION,
    contractHash: contractHash(),
    instanceId: parts.instanceId,
    pid: BigInt(process.pid),
    startedAt: timestamp(parts.startedAt),
    socketPath: places.socketPath,
    stateDir: places.stateDir,
    nodeVersion: process.version,
    targets: targets.list().map(targetMessage),
    adapters: targets.adapters.map((adapter) =>
      create(AdapterHealthSchema, {
        agentType: adapter.agentType,
        contractVersion: adapter.contractVersion,
        runtimes: runtimes.filter(({ record }) => record.agentType === adapter.agentType).length,
        degradations: shortcomings
          .filter(({ subject }) => subject.split("/")[1] === adapter.agentType)
          .map(({ message }) => message),
      }),
    ),
    channels: journal.counters.list().map(({ lastAt, ...counts }) =>
      create(ChannelHealthSchema, {
        agentType: counts.agentType,
        source: SOURCE_TO_WIRE[counts.source],
        channel: counts.channel,
        accepted: BigInt(counts.accepted),
        duplicates: BigInt(counts.duplicates),
        unknown: BigInt(counts.unknown),
        dropped: BigInt(counts.dropped),
        rejected: BigInt(counts.rejected),
        ...(lastAt === 0 ? {} : { lastAt: timestamp(lastAt) }),
      }),
    ),
    degradations: [...shortcomings, ...parts.shortfalls()].map(degradation),
    watchers: hub.watchers,
  });
}

function degradation({ code, subject, message, since }: Shortfall): Degradation {
  return create(DegradationSchema, { code, subject, message, since: timestamp(since) });
}

export function daemonService(parts: HealthParts): Partial<ServiceImpl<typeof DaemonService>> {
  return {
    getHealth: () => healthDocument(parts),
    getConfig: () =>
      create(GetConfigResponseSchema, {
        schemaVersion: 1,
        generatedAt: timestamp(parts.now()),
        entries: Object.entries(DEFAULTS)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, value]) =>
            create(ConfigEntrySchema, {
              key,
              // Sound: the keys of Config are those of DEFAULTS.
              value: JSON.stringify(parts.config[key as keyof Config]),
              defaultValue: JSON.stringify(value),
              origin: parts.config[key as keyof Config] === value ? "default" : "environment",
            }),
          ),
      }),
    shutdown: () => {
      parts.shutdown();
      return create(ShutdownResponseSchema, {
        schemaVersion: 1,
        instanceId: parts.instanceId,
        pid: BigInt(process.pid),
      });
    },
  };
}
