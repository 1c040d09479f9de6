import { chmodSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { SOCKET_PATH_BYTES } from "../config.js";
import { failpoint } from "../failpoint.js";
import { checkSocketPath } from "./directories.js";

/** How often the daemon looks whether its socket's file is still there, in milliseconds. */
const LOOK_MS = 1_000;

/** The file by which a server is found. */
export interface SocketFile {
  /** Takes the file away, if it is still ours, and stops looking after it. */
  remove(): void;
  /** Resolves when no server of this file accepts any more, but for the first: that is its owner's to close. */
  closed(): Promise<void>;
}

/**
 * Has `server` listen at `path`. The socket is bound under a name of its own, made 0600, and renamed into place, so that
 * it is never open to others; a stale one is replaced in the same step. When somebody removes the file (a cleaner of
 * /tmp, a logout), it is put back: a bound socket cannot get a new name, so another server takes over and hands its
 * connections to `accept`. Rejects with what listening throws.
 */
export async function publishSocket(
  path: string,
  server: Server,
  accept: (socket: Socket) => void,
  onError: (error: unknown) => void,
): Promise<SocketFile> {
  const later: Server[] = [];
  let inode = await bind(server, path);
  let busy = false;
  let removed = false;

  const putBack = async (): Promise<void> => {
    checkSocketPath(path);
    const next = createServer({ allowHalfOpen: true }, accept);
    next.maxConnections = server.maxConnections;
    inode = await bind(next, path);
    next.on("error", onError);
    later.push(next);
    if (removed) take();
  };
  const take = (): void => {
    failpoint("socket.before-unlink");
    // While the lock is held nobody else can have bound here, but a person may have put something in its place.
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path);
    for (const each of later) each.close();
  };
  const timer = setInterval(() => {
    if (busy || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
    busy = true;
    putBack()
      .catch(onError)
      .finally(() => {
        busy = false;
      });
  }, LOOK_MS);

  return {
    remove: () => {
      removed = true;
      clearInterval(timer);
      take();
    },
    closed: async () => {
      await Promise.all(later.map((each) => new Promise<void>((resolve) => each.close(() => resolve()))));
    },
  };
}

async function bind(server: Server, path: string): Promise<number> {
  const bound = temporaryName(path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(bound, () => {
      server.off("error", reject);
      resolve();
    });
  });
  chmodSync(bound, 0o600);
  failpoint("socket.before-rename");
  renameSync(bound, path);
  return lstatSync(path).ino;
}

/** A name in the same directory that the kernel takes too: a path of full length leaves no room for a suffix. */
function temporaryName(path: string): string {
  const name = basename(path);
  const names = [`${name}.${process.pid}.tmp`, `.${process.pid.toString(36)}`, `${name.slice(0, -1)}~`];
  const fitting = names
    .map((each) => join(dirname(path), each))
    .find((each) => Buffer.byteLength(each) <= SOCKET_PATH_BYTES);
  return fitting ?? `${path.slice(0, -1)}~`;
}
