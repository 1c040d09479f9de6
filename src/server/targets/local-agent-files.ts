import { constants, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { homedir } from "node:os";
import type { AgentHost } from "../adapters/contract.js";
import { linuxLoopbackPorts } from "./linux-loopback-ports.js";
import { dialLocalSocket } from "./local-dial.js";
import { watchLocalDirectory } from "./watch-local-directory.js";

/** The part of an AgentHost that is about files and processes of a host. */
export type AgentFiles = Pick<
  AgentHost,
  "environment" | "home" | "readFile" | "readTail" | "watchDirectory" | "loopbackPorts" | "dial"
>;

/** Every reading ends within this time; a file on a hung mount must not hang the daemon. */
const DEADLINE_MS = 2_000;
/** Most bytes that are read at once, whatever the caller asks for. */
const MAX_READ_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 64 * 1024;
/** The kernel's limit for arguments and environment of a process in common use. */
const MAX_ENVIRON_BYTES = 2 * 1024 * 1024;
const MAX_VALUE_CHARS = 4_096;

/** Files of this host. `home` replaces the user's home directory, `procRoot` /proc. */
export function createLocalAgentFiles(options: { home?: string; procRoot?: string } = {}): AgentFiles {
  const procRoot = options.procRoot ?? "/proc";
  return {
    home: async () => options.home ?? homedir(),
    readFile: (path, maxBytes) => read(path, () => ({ from: 0, bytes: maxBytes })),
    readTail: (path, maxBytes) =>
      read(path, (size) => ({ from: Math.max(0, size - maxBytes), bytes: Math.min(size, maxBytes) })),
    watchDirectory: watchLocalDirectory,
    loopbackPorts: (pid) => linuxLoopbackPorts(pid, procRoot),
    dial: dialLocalSocket,
    async environment(pid, names) {
      const whole = () => ({ from: 0, bytes: MAX_ENVIRON_BYTES });
      const bytes = await read(`${procRoot}/${pid}/environ`, whole).catch(() => undefined);
      return bytes === undefined ? undefined : pickVariables(Buffer.from(bytes).toString("utf8"), names);
    },
  };
}

/** The named variables of a /proc/<pid>/environ. */
export function pickVariables(environ: string, names: readonly string[]): Record<string, string> {
  const wanted = new Set(names);
  const found: Record<string, string> = {};
  for (const entry of environ.split("\0")) {
    const equals = entry.indexOf("=");
    const name = entry.slice(0, Math.max(0, equals));
    // The first one counts, as it does for getenv.
    if (wanted.delete(name))
      found[name] = entry.slice(equals + 1, equals + 1 + MAX_VALUE_CHARS).toWellFormed();
  }
  return found;
}

/** Reads a part of a regular file; undefined if there is none. Rejects with what the file system says. */
function read(
  path: string,
  part: (size: number) => { from: number; bytes: number },
): Promise<Uint8Array | undefined> {
  return withDeadline(path, async () => {
    const file = await openIfThere(path);
    if (file === undefined) return undefined;
    try {
      const stats = await file.stat();
      requireRegular(path, stats);
      const { from, bytes } = part(stats.size);
      return await readFully(file, from, Math.min(bytes, MAX_READ_BYTES), stats.size);
    } finally {
      await file.close();
    }
  });
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    // Without O_NONBLOCK, opening a fifo would wait for its writer.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function requireRegular(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new Error(`${path} is not a regular file`);
}

/** A file may have shrunk or grown since its size was read, and one of /proc has no size and comes in pieces. */
async function readFully(file: FileHandle, from: number, bytes: number, size: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  // One byte more than it had: the read that finds its end is the same one.
  const expected = size > 0 ? Math.max(0, size - from) + 1 : PIECE_BYTES;
  let read = 0;
  while (read < bytes) {
    const piece = Buffer.alloc(Math.min(bytes - read, read === 0 ? expected : PIECE_BYTES, PIECE_BYTES));
    const { bytesRead } = await file.read(piece, 0, piece.length, from + read);
    pieces.push(piece.subarray(0, bytesRead));
    read += bytesRead;
    // A regular file gives what was asked for unless it ends.
    if (bytesRead === 0 || (size > 0 && bytesRead < piece.length)) break;
  }
  return Buffer.concat(pieces);
}

function withDeadline<T>(path: string, work: () => Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(
    () => reject(new Error(`${path} could not be read within ${DEADLINE_MS} ms`)),
    DEADLINE_MS,
  );
  work()
    .then(resolve, reject)
    .finally(() => clearTimeout(timer));
  return promise;
}
