import { createHash } from "node:crypto";
import { posix } from "node:path";
import { HookFileAction } from "../../../gen/agtmux/v1/hook_pb.js";
import { removeBackup, writeBackup } from "./hook-backup.js";
import type { FoundFile, HookChange } from "./hook-change.js";
import { ensureFolder, MAX_SETTINGS_BYTES, replaceFile, sameBytes, temporaryOf } from "./hook-file.js";
import { hookBackupFolder } from "./hook-layout.js";
import { fileErrors, type HookHost } from "./hook-look.js";
import { hookScript } from "./hook-script.js";

const SCRIPT_MODE = 0o700;
const FOLDER_MODE = 0o700;
/** Of a hooks file that was not there: it may come to hold more of the user's. */
const SETTINGS_MODE = 0o600;

/**
 * Puts a change in place. The backup stands before the file changes and goes after it, so that a crash between any two
 * steps leaves the file old or new, and never new without its backup. False if the file changed since it was read.
 */
export async function applyChange(host: HookHost, change: HookChange): Promise<boolean> {
  const { file, action, after, backup } = change;
  if (backup !== undefined && backup !== "remove") {
    if (!file.folderThere) await host.files.mkdir(posix.dirname(file.path), FOLDER_MODE);
    await writeBackup(host.files, host.stateDir, file.backupPath, backup);
  }
  if (after !== undefined && !(await put(host, file, after))) return false;
  if (action === HookFileAction.REMOVE) {
    if (!sameBytes(await host.files.readFile(file.realPath, MAX_SETTINGS_BYTES), file.bytes)) return false;
    await host.files.unlink(file.realPath);
  }
  if (backup === "remove") await forget(host, change);
  return true;
}

async function put(host: HookHost, file: FoundFile, bytes: Uint8Array): Promise<boolean> {
  const { facts } = file;
  const owner = facts === undefined ? undefined : { uid: facts.uid, gid: facts.gid };
  const next = { bytes, mode: facts?.mode ?? SETTINGS_MODE, owner };
  return replaceFile(host.files, file.realPath, file.bytes, next, tag(host));
}

/** Takes away what an install leaves beside the file, a crashed one's temporary file included. */
async function forget(host: HookHost, { file, action }: HookChange): Promise<void> {
  await host.files.unlink(temporaryOf(file.realPath, tag(host)));
  const gone = action === HookFileAction.REMOVE || file.bytes === undefined;
  if (gone && file.backup?.madeFolder === true) await host.files.rmdir(posix.dirname(file.path));
  await removeBackup(host.files, file.backupPath);
}

export interface ScriptChange {
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array;
  readonly same: boolean;
}

/** Compares the script that is there with this version's. */
export function scriptChange(host: HookHost): Promise<ScriptChange> {
  return fileErrors({ agentType: "", path: host.scriptPath }, async () => {
    const after = new TextEncoder().encode(hookScript(host.stateDir));
    const facts = await host.files.lstat(host.scriptPath);
    const before =
      facts === undefined ? undefined : await host.files.readFile(host.scriptPath, MAX_SETTINGS_BYTES);
    const same = facts?.kind === "file" && facts.mode === SCRIPT_MODE && sameBytes(before, after);
    return { before, after, same };
  });
}

/** Replaces the script in one step: a shell that is reading the old one goes on reading that. */
export function writeScript(host: HookHost, { after, same }: ScriptChange): Promise<void> {
  return fileErrors({ agentType: "", path: host.scriptPath }, async () => {
    if (same) return;
    await ensureFolder(host.files, posix.dirname(host.scriptPath));
    const temporary = temporaryOf(host.scriptPath, tag(host));
    await host.files.writeFile(temporary, { bytes: after, mode: SCRIPT_MODE });
    await host.files.rename(temporary, host.scriptPath);
  });
}

/** Removes the script and what a crash left of it, and our folders if nothing else is in them. */
export function removeScript(host: HookHost): Promise<void> {
  return fileErrors({ agentType: "", path: host.scriptPath }, async () => {
    if ((await host.files.lstat(posix.dirname(host.scriptPath))) === undefined) return;
    await host.files.unlink(host.scriptPath);
    await host.files.unlink(temporaryOf(host.scriptPath, tag(host)));
    await host.files.rmdir(hookBackupFolder(host.stateDir));
    await host.files.rmdir(posix.dirname(host.scriptPath));
  });
}

/** Tells the temporary files of daemons with different state directories apart. */
function tag(host: HookHost): string {
  return createHash("sha256").update(host.stateDir).digest("hex").slice(0, 8);
}
