import type { TargetRecord } from "../store/target-store.js";
import { createLocalExecutor } from "./local-executor.js";
import type { AgentFiles, ProcessTable } from "./local-host.js";
import type { TargetHost } from "./target-host.js";

export interface LocalTargetParts {
  /** Shared by all local targets. */
  readonly processes: ProcessTable;
  readonly files: AgentFiles;
  readonly env: NodeJS.ProcessEnv;
  readonly settings: { readonly commandTimeoutMs: number };
}

/** This host, as the host of a local target. */
export function createLocalTarget({ tmuxSocket }: TargetRecord, parts: LocalTargetParts): TargetHost {
  const { processes, files, env, settings } = parts;
  const named = tmuxSocket.startsWith("/") ? { path: tmuxSocket } : { name: tmuxSocket };
  const executor = createLocalExecutor({
    env,
    socket: tmuxSocket === "" ? undefined : named,
    timeoutMs: settings.commandTimeoutMs,
  });
  return { executor, processes, files, clockOffset: () => 0, close: () => executor.close() };
}
