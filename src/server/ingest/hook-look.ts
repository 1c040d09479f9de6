import { posix } from "node:path";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import type { HookPlan } from "../adapters/contract.js";
import { ACTIVITY_PROBES, type HookActivity } from "./hook-activity.js";
import { hasBackup, readBackup } from "./hook-backup.js";
import { type FoundFile, HookRefusal, refuse } from "./hook-change.js";
import { FileTooLarge, type HookFiles, MAX_SETTINGS_BYTES } from "./hook-file.js";
import { hookBackupPath } from "./hook-layout.js";
import type { HookSettings } from "./hook-settings.js";

export interface PlannedAgent {
  readonly agentType: string;
  readonly plan: HookPlan;
}

/** Where hooks are installed, and for whom. All paths are absolute and of that host. */
export interface HookHost {
  readonly files: HookFiles;
  readonly home: string;
  /** Of it only the plans' folder variables and PATH are looked at. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of the daemon, on that host: readers' sockets, spools, script and backups are under it. */
  readonly stateDir: string;
  readonly scriptPath: string;
  /** Every agent that has hooks at all, whether it is wanted or not. */
  readonly plans: readonly PlannedAgent[];
  /** Those that are wanted by name; empty: those that are there. */
  readonly agents: readonly string[];
}

const MAX_PATH_FOLDERS = 100;

/** The agent's configuration folder. */
export function folderOf(host: HookHost, { plan }: PlannedAgent): string {
  const moved = host.environment[plan.folderVariable];
  return moved === undefined || moved === "" ? posix.join(host.home, plan.folder) : posix.normalize(moved);
}

export function settingsPath(host: HookHost, agent: PlannedAgent): string {
  return posix.join(folderOf(host, agent), agent.plan.file);
}

/** Whether the agent's configuration folder or its binary is there. */
export async function isPresent(host: HookHost, agent: PlannedAgent): Promise<boolean> {
  const folder = folderOf(host, agent);
  if (posix.isAbsolute(folder) && (await host.files.lstat(folder)) !== undefined) return true;
  const folders = (host.environment["PATH"] ?? "").split(":").filter((path) => posix.isAbsolute(path));
  for (const path of folders.slice(0, MAX_PATH_FOLDERS)) {
    for (const binary of agent.plan.binaries) {
      if ((await host.files.realpath(posix.join(path, binary))) !== undefined) return true;
    }
  }
  return false;
}

/** Reads what is at an agent's hooks file now. Throws HookRefusal if it is nothing that could be edited. */
export async function findFile(host: HookHost, agent: PlannedAgent): Promise<FoundFile> {
  const { agentType, plan } = agent;
  const path = settingsPath(host, agent);
  const named = { agentType, path };
  if (!posix.isAbsolute(path) || path.includes("\0")) {
    throw new HookRefusal(
      agentType,
      path,
      ErrorCode.E_INVALID_ARGUMENT,
      `${plan.folderVariable} is no absolute path`,
    );
  }
  return fileErrors(named, async () => {
    const backupPath = hookBackupPath(host.stateDir, agentType, path);
    const backup = await readBackup(host.files, backupPath, path);
    const backupThere = backup !== undefined || (await hasBackup(host.files, backupPath));
    const folderThere = (await host.files.lstat(posix.dirname(path))) !== undefined;
    const rest = { ...named, backupPath, backup, backupThere, folderThere };
    const nothing = { ...rest, realPath: path, bytes: undefined, facts: undefined };
    if ((await host.files.lstat(path)) === undefined) return nothing;
    const realPath = await host.files.realpath(path);
    if (realPath === undefined) throw refuse(named, "is a symbolic link that leads nowhere");
    const facts = await host.files.lstat(realPath);
    if (facts === undefined) return nothing;
    if (facts.kind !== "file") throw refuse(named, "is no regular file");
    const bytes = await host.files.readFile(realPath, MAX_SETTINGS_BYTES);
    return bytes === undefined ? nothing : { ...rest, realPath, bytes, facts };
  });
}

/** What the agent says elsewhere about its hooks. */
export function activityOf(host: HookHost, file: FoundFile, settings: HookSettings): Promise<HookActivity> {
  const probe = ACTIVITY_PROBES[file.agentType];
  if (probe === undefined) return Promise.resolve({ records: [] });
  const paths = [...new Set([file.path, file.realPath])];
  return fileErrors(file, () => probe(host.files, { paths, folder: posix.dirname(file.path), settings }));
}

const DENIED = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOTDIR",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "EEXIST",
]);
const FULL = new Set(["ENOSPC", "EDQUOT"]);

/** Turns what a file system says about one agent's files into a refusal of that agent alone. */
export async function fileErrors<T>(
  named: { readonly agentType: string; readonly path: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FileTooLarge) throw refuse(named, cause.message, cause);
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    if (!DENIED.has(code) && !FULL.has(code)) throw cause;
    const error = FULL.has(code) ? ErrorCode.E_RESOURCE_EXHAUSTED : ErrorCode.E_PRECONDITION_FAILED;
    const message = cause instanceof Error ? cause.message : code;
    throw new HookRefusal(named.agentType, named.path, error, message, { cause });
  }
}
