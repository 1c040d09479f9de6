import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, realpath, rename, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type FileFacts, FileTooLarge, type HookFiles, type NewFile } from "./hook-file.js";

/** This host's files. */
export function localHookFiles(): HookFiles {
  return {
    lstat: (path) => orUndefined(facts(path), "ENOENT", "ENOTDIR"),
    realpath: (path) => orUndefined(realpath(path), "ENOENT", "ENOTDIR"),
    readFile: (path, maxBytes) => orUndefined(read(path, maxBytes), "ENOENT", "ENOTDIR"),
    writeFile: write,
    rename: async (from, to) => {
      await rename(from, to);
      await syncFolder(dirname(to));
    },
    mkdir: (path, mode) => mkdir(path, { mode }).then(() => undefined),
    unlink: (path) => rm(path, { force: true }),
    rmdir: async (path) => {
      const removed = await orUndefined(
        rmdir(path).then(() => true),
        "ENOTEMPTY",
        "EEXIST",
        "ENOENT",
      );
      return removed === true;
    },
  };
}

async function facts(path: string): Promise<FileFacts> {
  const found = await lstat(path);
  const kind = found.isFile()
    ? "file"
    : found.isDirectory()
      ? "folder"
      : found.isSymbolicLink()
        ? "link"
        : "other";
  return { kind, mode: found.mode & 0o7777, uid: found.uid, gid: found.gid };
}

async function read(path: string, maxBytes: number): Promise<Uint8Array> {
  // Not waiting for the writer of a fifo that stands where a file should.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(Math.min((await handle.stat()).size, maxBytes) + 1);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled);
      if (bytesRead === 0) return buffer.subarray(0, filled);
      filled += bytesRead;
    }
    throw new FileTooLarge(path, maxBytes);
  } finally {
    await handle.close();
  }
}

async function write(path: string, file: NewFile): Promise<void> {
  await rm(path, { force: true });
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(file.bytes);
    await own(handle, file);
    // After chown, which may clear bits; and past the umask.
    await handle.chmod(file.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function own(handle: FileHandle, file: NewFile): Promise<void> {
  if (file.owner === undefined) return;
  const found = await handle.stat();
  if (found.uid === file.owner.uid && found.gid === file.owner.gid) return;
  await handle.chown(file.owner.uid, file.owner.gid);
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function orUndefined<T>(promise: Promise<T>, ...codes: string[]): Promise<T | undefined> {
  try {
    return await promise;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && codes.includes(String(cause.code))) return undefined;
    throw cause;
  }
}
