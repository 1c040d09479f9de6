import { create } from "@bufbuild/protobuf";
import { ErrorCode, type TargetError, TargetErrorSchema } from "../../../gen/agtmux/v1/common_pb.js";
import type { Micros } from "../engine/state.js";
import { timestamp } from "./rows.js";

/** Whether one target has answered, as reads and streams report it. */
export interface TargetReach {
  readonly name: string;
  /** A complete topology of it is held and its health is not `down`. */
  readonly responded: boolean;
  readonly error?: { readonly code: ErrorCode; readonly message: string } | undefined;
  readonly lastOkAt?: Micros | undefined;
}

export interface Reach {
  readonly requestedTargets: string[];
  readonly respondedTargets: string[];
  readonly partial: boolean;
  readonly targetErrors: TargetError[];
}

/** What a read over `wanted` targets (all when empty) can say of who answered. */
export function reach(targets: readonly TargetReach[], wanted: ReadonlySet<string>): Reach {
  const asked = targets.filter((target) => wanted.size === 0 || wanted.has(target.name));
  const unknown = [...wanted].filter((name) => !targets.some((target) => target.name === name));
  const silent = asked.filter((target) => !target.responded);
  const targetErrors = [
    ...silent.map((target) =>
      create(TargetErrorSchema, {
        target: target.name,
        code: target.error?.code ?? ErrorCode.E_TARGET_UNREACHABLE,
        message: target.error?.message ?? "not answered yet",
        ...(target.lastOkAt === undefined ? {} : { lastOkAt: timestamp(target.lastOkAt) }),
      }),
    ),
    ...unknown.map((name) =>
      create(TargetErrorSchema, {
        target: name,
        code: ErrorCode.E_TARGET_NOT_FOUND,
        message: "no target has that name",
      }),
    ),
  ].sort((a, b) => (a.target < b.target ? -1 : 1));
  return {
    requestedTargets: [...asked.map((target) => target.name), ...unknown].sort(),
    respondedTargets: asked.filter((target) => target.responded).map((target) => target.name),
    partial: targetErrors.length > 0,
    targetErrors,
  };
}

/** Whether two reads would say the same of who answered. */
export function sameReach(a: Reach, b: Reach): boolean {
  const words = (value: Reach): string =>
    JSON.stringify([
      value.requestedTargets,
      value.respondedTargets,
      value.targetErrors.map(({ target, code, message }) => [target, code, message]),
    ]);
  return words(a) === words(b);
}
