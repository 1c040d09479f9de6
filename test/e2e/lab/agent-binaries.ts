import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where `npm ci --prefix test/e2e/agents` puts the agents' commands. */
export const agentBinDir = fileURLToPath(new URL("../agents/node_modules/.bin", import.meta.url));

export type AgentCommand = "claude" | "codex";

/** The absolute path of an agent's command. */
export function agentCommandPath(command: AgentCommand): string {
  return join(agentBinDir, command);
}

/** True when both agents' commands are installed. */
export async function agentsInstalled(): Promise<boolean> {
  return (await missingCommands()).length === 0;
}

/** @throws one error that says how to install what is missing. */
export async function requireAgents(): Promise<void> {
  const missing = await missingCommands();
  if (missing.length === 0) return;
  throw new Error(`${missing.join(" and ")} not installed for the lab: run npm ci --prefix test/e2e/agents`);
}

async function missingCommands(): Promise<readonly AgentCommand[]> {
  const commands: readonly AgentCommand[] = ["claude", "codex"];
  const present = await Promise.all(commands.map((command) => isExecutable(agentCommandPath(command))));
  return commands.filter((_, index) => present[index] !== true);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    // Absent or not executable: the one thing asked here.
    return false;
  }
}
