import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { TargetHealth, TargetKind } from "../../../gen/agtmux/v1/common_pb.js";
import {
  AddTargetResponseSchema,
  ConnectTargetResponseSchema,
  ListTargetsResponseSchema,
  RemoveTargetResponseSchema,
  type Target,
  TargetSchema,
  type TargetService,
} from "../../../gen/agtmux/v1/target_pb.js";
import { invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import type { HealthState } from "../targets/health.js";
import type { TargetManager } from "../targets/manager.js";
import type { TargetMonitor } from "../targets/monitor.js";
import { timestamp } from "../watch/rows.js";

const HEALTH: Readonly<Record<HealthState, TargetHealth>> = {
  connecting: TargetHealth.CONNECTING,
  ok: TargetHealth.OK,
  degraded: TargetHealth.DEGRADED,
  down: TargetHealth.DOWN,
};

export function targetMessage(monitor: TargetMonitor): Target {
  const { target, health, topology } = monitor;
  return create(TargetSchema, {
    name: target.targetId,
    kind: target.kind === "local" ? TargetKind.LOCAL : TargetKind.SSH,
    sshTarget: target.sshTarget,
    tmuxSocket: target.tmuxSocket,
    health: HEALTH[health.state],
    healthReason: health.reason,
    healthMessage: health.message,
    tmuxVersion: topology?.version ?? "",
    bootId: topology?.bootId ?? "",
    createdAt: timestamp(target.createdAt),
    ...(health.lastOkAt === undefined ? {} : { lastOkAt: timestamp(health.lastOkAt) }),
  });
}

export function targetService(targets: TargetManager, now: () => Micros): ServiceImpl<typeof TargetService> {
  return {
    async addTarget(request) {
      const { name, kind, sshTarget, tmuxSocket, acceptNewHostKey } = request;
      if (kind !== TargetKind.LOCAL && kind !== TargetKind.SSH)
        throw invalidArgument("kind", "must be LOCAL or SSH");
      const record =
        kind === TargetKind.LOCAL
          ? { targetId: name, kind: "local" as const, sshTarget, tmuxSocket }
          : { targetId: name, kind: "ssh" as const, sshTarget: sshTarget || name, tmuxSocket };
      const monitor = await targets.add(record, { acceptNewHostKey });
      return create(AddTargetResponseSchema, { schemaVersion: 1, target: targetMessage(monitor) });
    },
    async connectTarget({ name }) {
      const monitor = await targets.connect(name);
      return create(ConnectTargetResponseSchema, { schemaVersion: 1, target: targetMessage(monitor) });
    },
    listTargets: () =>
      create(ListTargetsResponseSchema, {
        schemaVersion: 1,
        generatedAt: timestamp(now()),
        targets: targets.list().map(targetMessage),
      }),
    async removeTarget({ name }) {
      const endedRuntimes = await targets.remove(name);
      return create(RemoveTargetResponseSchema, { schemaVersion: 1, endedRuntimes });
    },
  };
}
