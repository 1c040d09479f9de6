import { createHash } from "node:crypto";
import { ensureFolder, type HookFiles, MAX_SETTINGS_BYTES } from "./hook-file.js";
import { hookBackupFolder } from "./hook-layout.js";

/** What a configuration file was before our first install, and how to tell that it was not touched since our last. */
export interface HookBackup {
  readonly path: string;
  /** Undefined: there was no file. */
  readonly original: Uint8Array | undefined;
  /** Of the bytes that we wrote last. */
  readonly sha256: string;
  /** The folder around the file is ours too. */
  readonly madeFolder: boolean;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The backup, or undefined if there is none that can be understood and is of this path. */
export async function readBackup(
  files: HookFiles,
  at: string,
  path: string,
): Promise<HookBackup | undefined> {
  const bytes = await files.readFile(at, 2 * MAX_SETTINGS_BYTES);
  if (bytes === undefined) return undefined;
  let record: unknown;
  try {
    record = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined; // torn or not ours; the caller does without, by taking out exactly our entries
  }
  if (typeof record !== "object" || record === null) return undefined;
  const read = (name: string): unknown => Reflect.get(record, name);
  const original = read("original");
  const hash = read("sha256");
  if (read("path") !== path || typeof original !== "string" || typeof hash !== "string") return undefined;
  return {
    path,
    original: original === ABSENT ? undefined : Buffer.from(original, "base64"),
    sha256: hash,
    madeFolder: read("madeFolder") === true,
  };
}

const ABSENT = "absent";
const TEMPORARY = ".tmp";

/** Writes a backup through to disk, replacing an older one. */
export async function writeBackup(
  files: HookFiles,
  stateDir: string,
  at: string,
  backup: HookBackup,
): Promise<void> {
  await ensureFolder(files, hookBackupFolder(stateDir));
  const record = {
    path: backup.path,
    original: backup.original === undefined ? ABSENT : Buffer.from(backup.original).toString("base64"),
    sha256: backup.sha256,
    madeFolder: backup.madeFolder,
  };
  const temporary = at + TEMPORARY;
  await files.writeFile(temporary, {
    bytes: Buffer.from(`${JSON.stringify(record, null, 2)}\n`),
    mode: 0o600,
  });
  await files.rename(temporary, at);
}

/** Whether there is a backup, or what a crash or damage left of one. */
export async function hasBackup(files: HookFiles, at: string): Promise<boolean> {
  return ((await files.lstat(at)) ?? (await files.lstat(at + TEMPORARY))) !== undefined;
}

/** Removes a backup and what a crash left of one. */
export async function removeBackup(files: HookFiles, at: string): Promise<void> {
  await files.unlink(at + TEMPORARY);
  await files.unlink(at);
}
