import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError } from "../contract-error.js";
import { createLinuxProcessTable } from "./linux-process-table.js";
import type { ProcessTable } from "./process-table.js";

export { type AgentFiles, createLocalAgentFiles } from "./local-agent-files.js";
export type { ProcessTable } from "./process-table.js";

/** The process table of this host. Throws ContractError E_UNSUPPORTED on a platform that has no port yet. */
export function createLocalProcessTable(platform: NodeJS.Platform = process.platform): ProcessTable {
  if (platform === "linux") return createLinuxProcessTable();
  throw new ContractError(
    ErrorCode.E_UNSUPPORTED,
    `local tmux servers cannot be watched on ${platform} yet: there is no process table for it`,
    { platform },
  );
}
