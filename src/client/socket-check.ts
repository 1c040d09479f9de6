import { lstatSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError } from "./errors.js";

const OTHERS_MAY_WRITE = 0o022;

/** Why the daemon cannot be reached; stands in `details.cause`. */
export type UnavailableCause =
  | "not_running"
  | "stale_socket"
  | "not_a_socket"
  | "permission"
  | "wrong_owner"
  | "unsafe_mode"
  | "connection_lost"
  | "start_failed"
  | "no_answer";

export function unavailable(
  cause: UnavailableCause,
  message: string,
  socket: string,
  thrown?: unknown,
): AgtmuxError {
  const retryable = cause === "connection_lost" || cause === "no_answer" || cause === "not_running";
  const facts = { cause, socket };
  return new AgtmuxError(ErrorCode.E_DAEMON_UNAVAILABLE, message, facts, retryable, { cause: thrown });
}

/** What a failed connection to `socket` means to a person, and what to do about it. */
export function connectionError(thrown: unknown, socket: string): AgtmuxError {
  if (thrown instanceof AgtmuxError) return thrown;
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return unavailable(
        "not_running",
        `no agtmux daemon is running (nothing at ${socket}); start it: agtmux daemon start`,
        socket,
        thrown,
      );
    case "ECONNREFUSED":
      return unavailable(
        "stale_socket",
        `the daemon that served ${socket} is gone; start it again: agtmux daemon start`,
        socket,
        thrown,
      );
    case "EACCES":
    case "EPERM":
      return unavailable(
        "permission",
        `no permission to use ${socket}; it must belong to you, in a directory of yours`,
        socket,
        thrown,
      );
    case "ECONNRESET":
    case "EPIPE":
      return unavailable("connection_lost", "the daemon ended the connection", socket, thrown);
    default: {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      return unavailable("connection_lost", `cannot talk to the daemon: ${message}`, socket, thrown);
    }
  }
}

function refuseOthers(stats: Stats, what: string, path: string, uid: number, socket: string): void {
  if (stats.uid !== uid) {
    const message = `${what} ${path} belongs to user ${stats.uid}, not to you (${uid}): not connecting; set AGTMUX_SOCKET to a path in a directory of yours`;
    throw unavailable("wrong_owner", message, socket);
  }
  if ((stats.mode & OTHERS_MAY_WRITE) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, "0");
    const message = `${what} ${path} may be written by others (mode ${mode}): not connecting; take that away: chmod go-w ${path}`;
    throw unavailable("unsafe_mode", message, socket);
  }
}

/**
 * Refuses to speak to a socket that someone else could have put there: socket and directory must belong to
 * this user and be writable by nobody else. After this nobody else can swap the socket before the connection.
 * Throws E_DAEMON_UNAVAILABLE with `details.cause`.
 */
export function checkSocket(socket: string): void {
  const uid = process.getuid?.();
  let stats: Stats;
  let directory: Stats;
  try {
    stats = lstatSync(socket);
    directory = statSync(dirname(socket));
  } catch (thrown) {
    throw connectionError(thrown, socket);
  }
  if (!stats.isSocket()) {
    const message = `${socket} is not a socket; move it away, or set AGTMUX_SOCKET to another path`;
    throw unavailable("not_a_socket", message, socket);
  }
  // Windows has no uids; it is not a supported platform, and named pipes are not in the file system.
  if (uid === undefined) return;
  refuseOthers(directory, "the directory", dirname(socket), uid, socket);
  refuseOthers(stats, "the socket", socket, uid, socket);
}
