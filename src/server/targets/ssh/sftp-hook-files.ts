import type { SFTPWrapper, Stats } from "ssh2";
import { type FileFacts, FileTooLarge, type HookFiles, type NewFile } from "../../ingest/hook-file.js";

/** Longest wait for one answer. */
const ANSWER_MS = 10_000;
const CHUNK_BYTES = 32 * 1024;
/** Status codes of the protocol that say something of their own; whatever else goes wrong is "Failure". */
const NO_SUCH_FILE = 2;
const CODES: Readonly<Record<number, string>> = {
  [NO_SUCH_FILE]: "ENOENT",
  3: "EACCES",
  4: "EPERM",
  8: "EPERM",
};

type Callback<T> = (error: Error | undefined | null, value: T) => void;

/** The files of an ssh target's host. */
export function sftpHookFiles(sftp: SFTPWrapper): HookFiles {
  const lstat = async (path: string): Promise<FileFacts | undefined> => {
    const found = await absent(ask<Stats>(path, (done) => sftp.lstat(path, done)));
    return found === undefined ? undefined : facts(found);
  };
  return {
    lstat,
    async realpath(path) {
      const real = await absent(ask<string>(path, (done) => sftp.realpath(path, done)));
      if (real === undefined) return undefined;
      // Servers make a path of what is not there, too.
      return (await absent(ask<Stats>(real, (done) => sftp.stat(real, done)))) === undefined
        ? undefined
        : real;
    },
    async readFile(path, maxBytes) {
      // A fifo would keep the server waiting for its writer.
      const stats = await absent(ask<Stats>(path, (done) => sftp.stat(path, done)));
      if (stats === undefined) return undefined;
      if (!stats.isFile()) throw new SftpError(path, "is no regular file", "EPERM");
      const handle = await absent(ask<Buffer>(path, (done) => sftp.open(path, "r", done)));
      if (handle === undefined) return undefined;
      try {
        return await readAll(sftp, path, handle, maxBytes);
      } finally {
        await ask<unknown>(path, (done) => sftp.close(handle, (error) => done(error, undefined)));
      }
    },
    async writeFile(path, file) {
      await absent(act(path, (done) => sftp.unlink(path, done)));
      const handle = await ask<Buffer>(path, (done) => sftp.open(path, "wx", { mode: 0o600 }, done));
      try {
        await writeAll(sftp, path, handle, file);
      } finally {
        await act(path, (done) => sftp.close(handle, done));
      }
    },
    rename: (from, to) => act(to, (done) => sftp.ext_openssh_rename(from, to, done)),
    async mkdir(path, mode) {
      await act(path, (done) => sftp.mkdir(path, { mode }, done));
      // Past the umask of the host.
      await act(path, (done) => sftp.setstat(path, { mode }, done));
    },
    unlink: async (path) => {
      await absent(act(path, (done) => sftp.unlink(path, done)));
    },
    async rmdir(path) {
      try {
        await act(path, (done) => sftp.rmdir(path, done));
        return true;
      } catch (error) {
        // The protocol has no word for a folder that is not empty.
        if (error instanceof SftpError && (error.code === "ENOENT" || error.code === "EPERM")) return false;
        throw error;
      }
    },
  };
}

/** What the host's file system says, with a code as Node's own errors have. */
export class SftpError extends Error {
  override readonly name = "SftpError";

  constructor(
    path: string,
    what: string,
    readonly code: string,
    options?: ErrorOptions,
  ) {
    super(`${path}: ${what}`, options);
  }
}

function act(path: string, run: (done: (error?: Error | null) => void) => void): Promise<void> {
  return ask<void>(path, (done) => run((error) => done(error, undefined)));
}

function ask<T>(path: string, run: (done: Callback<T>) => void): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const late = setTimeout(
    () => reject(new SftpError(path, "the host does not answer", "ETIMEDOUT")),
    ANSWER_MS,
  );
  try {
    run((error, value) => {
      clearTimeout(late);
      if (error) reject(sftpError(path, error));
      else resolve(value);
    });
  } catch (error) {
    // What the server does not know, the library does not ask.
    clearTimeout(late);
    reject(sftpError(path, error instanceof Error ? error : new Error(String(error))));
  }
  return promise;
}

function sftpError(path: string, cause: Error): SftpError {
  const status = "code" in cause && typeof cause.code === "number" ? cause.code : -1;
  return new SftpError(path, `the host says "${cause.message.slice(0, 200)}"`, CODES[status] ?? "EIO", {
    cause,
  });
}

async function absent<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof SftpError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function facts(stats: Stats): FileFacts {
  const kind = stats.isFile()
    ? "file"
    : stats.isDirectory()
      ? "folder"
      : stats.isSymbolicLink()
        ? "link"
        : "other";
  return { kind, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid };
}

async function readAll(
  sftp: SFTPWrapper,
  path: string,
  handle: Buffer,
  maxBytes: number,
): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  let filled = 0;
  for (;;) {
    const at = filled;
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const bytes = await ask<number>(path, (done) =>
      sftp.read(handle, buffer, 0, CHUNK_BYTES, at, (error, count) => {
        // At the end of a file, the protocol has an error in place of nothing.
        if (error && "code" in error && error.code === 1) done(undefined, 0);
        else done(error, count);
      }),
    );
    if (bytes <= 0) return Buffer.concat(pieces);
    filled += bytes;
    if (filled > maxBytes) throw new FileTooLarge(path, maxBytes);
    pieces.push(buffer.subarray(0, bytes));
  }
}

async function writeAll(sftp: SFTPWrapper, path: string, handle: Buffer, file: NewFile): Promise<void> {
  const bytes = Buffer.from(file.bytes);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const size = Math.min(CHUNK_BYTES, bytes.length - at);
    await act(path, (done) => sftp.write(handle, bytes, at, size, at, done));
  }
  const { owner, mode } = file;
  if (owner !== undefined) {
    const found = await ask<Stats>(path, (done) => sftp.fstat(handle, done));
    if (found.uid !== owner.uid || found.gid !== owner.gid) {
      await act(path, (done) => sftp.fsetstat(handle, { uid: owner.uid, gid: owner.gid }, done));
    }
  }
  // After the owner, whose change may clear bits; and past the umask.
  await act(path, (done) => sftp.fsetstat(handle, { mode }, done));
  await act(path, (done) => sftp.ext_openssh_fsync(handle, (error) => done(error)));
}
