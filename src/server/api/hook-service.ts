import { isAbsolute } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import {
  ApplyHooksResponseSchema,
  GetHookStatusResponseSchema,
  type HookScope,
  type HookService,
  PlanHooksResponseSchema,
  RemoveHooksResponseSchema,
} from "../../../gen/agtmux/v1/hook_pb.js";
import type { AnyAdapter } from "../adapters/contract.js";
import type { Places } from "../config.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import { HookRefusal } from "../ingest/hook-change.js";
import { applyHooks, type HookOutcome, planHooks, removeHooks } from "../ingest/hook-installer.js";
import type { HookHost, PlannedAgent } from "../ingest/hook-look.js";
import { hookStatus } from "../ingest/hook-status.js";
import { localHookFiles } from "../ingest/local-hook-files.js";
import { ExecutorError } from "../targets/executor.js";
import { HOST_TARGET, type TargetManager } from "../targets/manager.js";
import { SftpError } from "../targets/ssh/sftp-hook-files.js";
import { SshError } from "../targets/ssh/ssh-error.js";
import { timestamp } from "../watch/rows.js";

interface Parts {
  readonly adapters: readonly AnyAdapter[];
  readonly targets: TargetManager;
  readonly places: Places;
  readonly now: () => Micros;
}

/** All that was asked for was refused: the call fails. Some of it: the refusals stand among the files. */
function checked(outcome: HookOutcome): HookOutcome {
  const [refusal] = outcome.refusals;
  const configured = outcome.files.filter(({ agentType }) => agentType !== "");
  if (refusal !== undefined && outcome.refusals.length === configured.length) throw asContractError(refusal);
  return outcome;
}

function asContractError(refusal: HookRefusal): ContractError {
  return new ContractError(refusal.code, refusal.message, { path: refusal.path }, { cause: refusal });
}

async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof HookRefusal) throw asContractError(error);
    throw error;
  }
}

/** What a host that is out of reach, or does not play along, looks like to the caller. */
async function reaching<T>(target: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ExecutorError || error instanceof SshError || error instanceof SftpError) {
      const { message } = error;
      throw new ContractError(
        ErrorCode.E_TARGET_UNREACHABLE,
        `target ${target}: ${message}`,
        { target },
        { cause: error },
      );
    }
    throw error;
  }
}

export function hookService({ adapters, targets, places, now }: Parts): ServiceImpl<typeof HookService> {
  const plans: PlannedAgent[] = adapters.flatMap(({ agentType, hooks }) =>
    hooks === undefined ? [] : [{ agentType, plan: hooks }],
  );

  const wantedOf = (scope: HookScope | undefined): readonly string[] => {
    const agents = scope?.agents ?? [];
    for (const agent of agents) {
      if (!plans.some(({ agentType }) => agentType === agent)) {
        throw invalidArgument("scope.agents", `no hooks are known for ${agent.slice(0, 32)}`);
      }
    }
    return agents;
  };

  /** Does its work on the host that is meant; `change`: it may put things there or take them away. */
  const on = async <T>(
    scope: HookScope | undefined,
    work: (host: HookHost) => Promise<T>,
    change?: "install" | "remove",
  ): Promise<T> => {
    const target = scope?.target || HOST_TARGET;
    const monitor = targets.find(target);
    if (monitor === undefined) {
      throw new ContractError(ErrorCode.E_TARGET_NOT_FOUND, `no target is named ${target.slice(0, 64)}`);
    }
    const agents = wantedOf(scope);
    if (monitor.target.kind === "local") {
      const home = scope?.home ?? "";
      if (!isAbsolute(home) || home.includes("\0"))
        throw invalidArgument("scope.home", "must be an absolute path");
      const { stateDir, hookScript: scriptPath } = places;
      const environment = { ...scope?.environment };
      return refusing(
        work({ files: localHookFiles(), home, environment, stateDir, scriptPath, plans, agents }),
      );
    }
    const place = await reaching(target, monitor.openHooks() ?? Promise.reject(new Error("no hooks")));
    try {
      if (change === "install") await reaching(target, place.installing());
      return await reaching(target, refusing(work({ ...place, plans, agents })));
    } finally {
      if (change !== undefined) await place.changed().catch(() => undefined);
      place.close();
    }
  };

  return {
    async planHooks(request) {
      const { files, traces } = checked(await on(request.scope, (host) => planHooks(host, request.remove)));
      const head = { schemaVersion: 1, generatedAt: timestamp(now()) };
      return create(PlanHooksResponseSchema, { ...head, files: [...files], traces: [...traces] });
    },
    async applyHooks(request) {
      const { files, traces } = checked(await on(request.scope, applyHooks, "install"));
      return create(ApplyHooksResponseSchema, { schemaVersion: 1, files: [...files], traces: [...traces] });
    },
    async removeHooks(request) {
      const { files, traces } = checked(await on(request.scope, removeHooks, "remove"));
      return create(RemoveHooksResponseSchema, { schemaVersion: 1, files: [...files], traces: [...traces] });
    },
    async getHookStatus(request) {
      const { agents, traces, scriptPath } = await on(request.scope, hookStatus);
      return create(GetHookStatusResponseSchema, {
        schemaVersion: 1,
        generatedAt: timestamp(now()),
        agents: [...agents],
        traces: [...traces],
        scriptPath,
      });
    },
  };
}
