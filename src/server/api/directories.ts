import { chmodSync, lstatSync, mkdirSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";

/** A daemon that does not accept within this time is taken as alive: better no daemon than a stolen socket. */
const ACCEPT_MS = 2_000;

/** A directory or socket that is not safe to use. The message says what to do. */
export class UnsafePathError extends Error {
  override readonly name = "UnsafePathError";
}

function own(stats: Stats): boolean {
  return stats.uid === process.getuid?.();
}

/**
 * Makes a directory 0700, or checks one that is there: ours, no link, and nobody else may write to it. Throws
 * UnsafePathError.
 */
export function privateDirectory(path: string): void {
  // Looked at before it is made: through a link, mkdir would speak of something else.
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
    mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = lstatSync(path);
  if (stats.isSymbolicLink())
    throw new UnsafePathError(`${path} is a symbolic link: remove it or set another directory`);
  if (!stats.isDirectory())
    throw new UnsafePathError(`${path} is no directory: move it away or set another directory`);
  if (!own(stats)) {
    throw new UnsafePathError(
      `${path} belongs to user ${stats.uid}, not to you: set AGTMUX_STATE_DIR to another directory`,
    );
  }
  if ((stats.mode & 0o022) !== 0) {
    throw new UnsafePathError(
      `${path} may be written by others: check its contents, then run chmod 0700 '${path}'`,
    );
  }
  // Readable by others: nothing was put at risk by writing, so it is simply closed.
  if ((stats.mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** Checks what lies at the socket's path: nothing, or a socket of ours. Throws UnsafePathError. */
export function checkSocketPath(path: string): void {
  privateDirectory(dirname(path));
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket())
    throw new UnsafePathError(`${path} is no socket: move it away or set AGTMUX_SOCKET to another path`);
  if (!own(stats))
    throw new UnsafePathError(
      `${path} belongs to user ${stats.uid}, not to you: set AGTMUX_SOCKET to another path`,
    );
}

/**
 * Refuses a socket on which somebody accepts: a daemon of another state directory that serves at the same path. Throws
 * UnsafePathError.
 */
export async function refuseLiveSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  const alive = await new Promise<boolean>((resolve) => {
    const socket = connect({ path, timeout: ACCEPT_MS });
    const decide = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => decide(true));
    socket.once("timeout", () => decide(true));
    socket.once("error", () => decide(false));
  });
  if (alive) {
    throw new UnsafePathError(
      `another daemon, of another state directory, serves at ${path}: stop it, or set AGTMUX_SOCKET to another path`,
    );
  }
}
