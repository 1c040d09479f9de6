import { TargetHealth, TargetKind } from "../../../gen/agtmux/v1/common_pb.js";
import type { Target } from "../../../gen/agtmux/v1/target_pb.js";
import { fact, type JsonObject, time } from "./json.js";
import { printable } from "./printable.js";

const KIND_WORDS: Readonly<Record<TargetKind, string>> = {
  [TargetKind.UNSPECIFIED]: "",
  [TargetKind.LOCAL]: "local",
  [TargetKind.SSH]: "ssh",
};

const HEALTH_WORDS: Readonly<Record<TargetHealth, string>> = {
  [TargetHealth.UNSPECIFIED]: "",
  [TargetHealth.CONNECTING]: "connecting",
  [TargetHealth.OK]: "ok",
  [TargetHealth.DEGRADED]: "degraded",
  [TargetHealth.DOWN]: "down",
};

export function kindWord(kind: TargetKind): string {
  return KIND_WORDS[kind] ?? "";
}

export function healthWord(health: TargetHealth): string {
  return HEALTH_WORDS[health] ?? "";
}

export function targetJson(target: Target): JsonObject {
  return {
    name: target.name,
    kind: kindWord(target.kind),
    ...fact("ssh_target", printable(target.sshTarget)),
    ...fact("tmux_socket", printable(target.tmuxSocket)),
    health: healthWord(target.health),
    ...fact("health_reason", printable(target.healthReason)),
    ...fact("health_message", printable(target.healthMessage)),
    ...fact("tmux_version", printable(target.tmuxVersion)),
    ...fact("boot_id", target.bootId),
    ...time("last_ok_at", target.lastOkAt),
    ...time("created_at", target.createdAt),
  };
}
