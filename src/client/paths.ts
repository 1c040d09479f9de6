import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError } from "./errors.js";

/** macOS takes 103 bytes in a Unix socket address, Linux 107; a longer path is cut or refused by the kernel. */
export const SOCKET_PATH_BYTES = 103;

export type Environment = Readonly<Record<string, string | undefined>>;

function absolute(variable: string, value: string): string {
  if (isAbsolute(value)) return value;
  throw new AgtmuxError(
    ErrorCode.E_INVALID_ARGUMENT,
    `${variable} must be an absolute path, not "${value}"`,
    {
      field: variable,
    },
  );
}

function shortEnough(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES) return path;
  throw new AgtmuxError(
    ErrorCode.E_INVALID_ARGUMENT,
    `the socket path has ${bytes} bytes, at most ${SOCKET_PATH_BYTES} work: set AGTMUX_SOCKET to a shorter one (${path})`,
    { field: "AGTMUX_SOCKET", path },
  );
}

/** The daemon's state directory (docs/spec.md 8.1). Throws E_INVALID_ARGUMENT on a relative AGTMUX_STATE_DIR. */
export function stateDirectory(env: Environment): string {
  if (env["AGTMUX_STATE_DIR"]) return absolute("AGTMUX_STATE_DIR", env["AGTMUX_STATE_DIR"]);
  const home = env["HOME"] || homedir();
  return join(env["XDG_STATE_HOME"] || join(home, ".local", "state"), "agtmux");
}

/** What the daemon wrote into `<state directory>/socket`, if it is a usable path. */
function recordedSocket(stateDir: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(join(stateDir, "socket"), "utf8").trim();
  } catch {
    // No daemon has served from this state directory yet, or it may not be read: the default is next.
    return undefined;
  }
  const usable = isAbsolute(text) && !/[\0\n]/.test(text) && Buffer.byteLength(text) <= SOCKET_PATH_BYTES;
  return usable ? text : undefined;
}

/**
 * The sockets to try, in this order (docs/spec.md 8.1): AGTMUX_SOCKET alone if it is set, so that a socket set
 * apart never leads elsewhere; else the one the daemon recorded, then the default. At least one, no repeats.
 * Throws E_INVALID_ARGUMENT on a relative path or one of more than 103 bytes.
 */
export function socketCandidates(env: Environment): readonly string[] {
  if (env["AGTMUX_SOCKET"]) return [shortEnough(absolute("AGTMUX_SOCKET", env["AGTMUX_SOCKET"]))];
  const stateDir = stateDirectory(env);
  const recorded = recordedSocket(stateDir);
  const standard = env["XDG_RUNTIME_DIR"]
    ? join(env["XDG_RUNTIME_DIR"], "agtmux", "agtmuxd.sock")
    : join(stateDir, "agtmuxd.sock");
  if (recorded === undefined) return [shortEnough(standard)];
  const usable = recorded !== standard && Buffer.byteLength(standard) <= SOCKET_PATH_BYTES;
  return usable ? [recorded, standard] : [recorded];
}
