import { createHash } from "node:crypto";
import { join } from "node:path";

/** Folder of the backups of users' files. */
export function hookBackupFolder(stateDir: string): string {
  return join(stateDir, "hooks", "backup");
}

/** Backup of one configuration file; one per agent and path. */
export function hookBackupPath(stateDir: string, agentType: string, path: string): string {
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 12);
  return join(hookBackupFolder(stateDir), `${agentType}-${hash}.json`);
}

/** One word for a POSIX shell, whatever it holds but NUL. */
export function singleQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * The command of one hook entry. Codex trusts a hook by its position and a hash over this text: for one script path,
 * agent and event it is the same in every version.
 */
export function hookCommand(scriptPath: string, agentType: string, event: string): string {
  return `${singleQuoted(scriptPath)} ${agentType} ${event}`;
}

/** Whether a hook entry's command runs our script. */
export function isOurCommand(scriptPath: string, command: string): boolean {
  return command.startsWith(`${singleQuoted(scriptPath)} `);
}
