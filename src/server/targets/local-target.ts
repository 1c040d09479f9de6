import type { TargetRecord } from "../store/target-store.js";
import { ExecutorError } from "./executor.js";
import { createLocalExecutor } from "./local-executor.js";
import type { AgentFiles, ProcessTable } from "./local-host.js";
import { isInFront } from "./process-proof.js";
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
    inFront: (proof) => isInFront((pid) => processes.find(pid), proof),
  });
  return {
    executor,
    processes,
    files,
    signal: async (proof, signal) => {
      // Nothing may come between this look and the signal.
      if (!processes.alive(proof.pid, proof.startRaw)) return false;
      return sent(proof.pid, `SIG${signal}`);
    },
    clockOffset: () => 0,
    close: () => executor.close(),
  };
}

/** False: it went in the meantime. Throws ExecutorError. */
function sent(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    const why = error instanceof Error ? error.message : String(error);
    throw new ExecutorError("failed", `the signal could not be sent: ${why}`, { cause: error });
  }
}
