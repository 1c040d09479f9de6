import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Folder inside a spool folder for what was no event, each with a `.reason` file beside it. */
export const REJECTED_FOLDER = "rejected";
const ENTRY = ".rejected";
const REASON = ".reason";
const MAX_KEPT = 100;
const MAX_KEPT_BYTES = 1024 * 1024;

/**
 * Moves an entry of a spool folder out of the way and writes down why. The newest such entries are kept, at most 100
 * and 1 MiB; nothing is followed or opened. Throws what the file system says, and then the entry is where it was.
 */
export async function setAside(dir: string, name: Buffer, reason: string): Promise<void> {
  const folder = join(dir, REJECTED_FOLDER);
  await ensureFolder(folder);
  const plain = name
    .toString("latin1")
    .replaceAll(/[^A-Za-z0-9._-]/gu, "_")
    .slice(0, 100);
  // The time in front puts the oldest first.
  const time = String(Date.now()).padStart(14, "0");
  const kept = join(folder, `${time}-${randomBytes(4).toString("hex")}-${plain}`);
  await writeFile(`${kept}${REASON}`, `${reason}\n`, { mode: 0o600 });
  try {
    await rename(Buffer.concat([Buffer.from(`${dir}/`), name]), `${kept}${ENTRY}`);
  } catch (cause) {
    await rm(`${kept}${REASON}`, { force: true });
    throw cause;
  }
  await bound(folder);
}

/** Removes what was set aside longer than `keptMs` ago; `now` in milliseconds. */
export async function pruneRejects(dir: string, now: number, keptMs: number): Promise<void> {
  const folder = join(dir, REJECTED_FOLDER);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  for (const name of names) {
    const path = join(folder, name);
    const stats = await lstat(path);
    // A file that was moved here keeps its own time, whatever that says; when it was set aside stands in its name.
    const oldest = Math.min(stats.mtimeMs, Number(name.slice(0, 14)) || 0);
    if (now - oldest > keptMs) await rm(path, { force: true, recursive: true });
  }
}

async function ensureFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch(async (cause: unknown) => {
    if ((await lstat(folder)).isDirectory()) return;
    // Something else took the name; were it left, nothing could be set aside any more.
    await rm(folder, { force: true });
    await mkdir(folder, { mode: 0o700 }).catch(() => Promise.reject(cause));
  });
}

async function bound(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ENTRY)).sort();
  let bytes = 0;
  let kept = 0;
  for (const name of names.reverse()) {
    const path = join(folder, name);
    bytes += (await lstat(path)).size;
    kept++;
    if (kept <= MAX_KEPT && bytes <= MAX_KEPT_BYTES) continue;
    await rm(path, { force: true, recursive: true });
    await rm(path.slice(0, -ENTRY.length) + REASON, { force: true });
  }
}
