import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1_000_000; // microseconds, the engine's unit
const HOUR_MS = 3_600_000;

/** Every default of docs/spec.md section 16 in one place. The unit is the name's suffix. */
export const DEFAULTS = {
  commandTimeoutMs: 5_000,
  downAfterFailures: 3,
  downWindowMs: 30_000,
  upAfterProbes: 2,
  skewBudgetMicros: 10 * SECOND,
  bindWindowMicros: 5 * SECOND,
  bindTtlMs: 30_000,
  runningTtlMicros: 180 * SECOND,
  completedTtlMicros: 120 * SECOND,
  launcherGraceMs: 5_000,
  screenProofMs: 1_500,
  screenRefreshMs: 60_000,
  screenUnknownMs: 5_000,
  topologyActiveMs: 1_000,
  topologyIdleMs: 2_000,
  fullTopologyEveryMs: 4_000,
  agentPidLookMs: 500,
  doorbellDebounceMs: 60,
  doorbellRetryMs: 1_000,
  reconnectFirstMs: 500,
  reconnectMostMs: 4_000,
  reconnectEagerMs: 600_000,
  reconnectLaterMs: 60_000,
  bookmarkMs: 15_000,
  watchLogEntries: 100_000,
  watchLogBytes: 32 * MIB,
  requestBytes: 4 * MIB,
  hookPayloadBytes: 256 * KIB,
  ingestBatchEvents: 1_000,
  spoolPollMs: 250,
  spoolBytes: 16 * MIB,
  spoolMs: 24 * HOUR_MS,
  checkpointEvery: 1_000,
  eventsKeptMs: 14 * 24 * HOUR_MS,
  snapshotMs: 30_000,
  actionsKeptMs: 14 * 24 * HOUR_MS,
  retentionEveryMs: HOUR_MS,
  drainMs: 5_000,
  logFileBytes: 10 * MIB,
  logFiles: 5,
} as const;

export type Config = { readonly [K in keyof typeof DEFAULTS]: number };

/** Linux takes 107 bytes, macOS 103; a longer path is cut or refused by the kernel, so it is refused here. */
export const SOCKET_PATH_BYTES = 103;

/** As long as the names in ingest.d are: `<reader id>.<random>.sock`. */
const INGEST_SOCKET_SAMPLE = "local.00000000.sock";

/** Where the daemon keeps and serves things. All absolute. */
export interface Places {
  readonly stateDir: string;
  readonly socketPath: string;
  readonly database: string;
  readonly lockDatabase: string;
  /** Names the socket in use, for clients and hooks. */
  readonly socketFile: string;
  /** Names host and port of the TCP listener while there is one. */
  readonly tcpAddressFile: string;
  readonly tcpTokenFile: string;
  readonly ingestDir: string;
  readonly spoolDir: string;
  readonly logFile: string;
  readonly hookScript: string;
}

/** Where a TCP listener listens; `port` 0 takes a free one. */
export interface TcpAddress {
  readonly host: "127.0.0.1" | "::1";
  readonly port: number;
}

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Environment = Readonly<Record<string, string | undefined>>;

function absolute(variable: string, value: string): string {
  if (!isAbsolute(value)) throw new ConfigError(`${variable} must be an absolute path, not "${value}"`);
  return value;
}

function shortEnough(what: string, path: string, variable: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES) return;
  throw new ConfigError(
    `${what} has ${bytes} bytes, at most ${SOCKET_PATH_BYTES} work: set ${variable} to a shorter one (${path})`,
  );
}

/** Finds every place as docs/spec.md 8.1 says. Throws ConfigError on a relative or over-long path. */
export function places(env: Environment): Places {
  const home = env["HOME"] || homedir();
  const stateDir = env["AGTMUX_STATE_DIR"]
    ? absolute("AGTMUX_STATE_DIR", env["AGTMUX_STATE_DIR"])
    : join(env["XDG_STATE_HOME"] || join(home, ".local", "state"), "agtmux");
  const socketPath = env["AGTMUX_SOCKET"]
    ? absolute("AGTMUX_SOCKET", env["AGTMUX_SOCKET"])
    : env["XDG_RUNTIME_DIR"]
      ? join(env["XDG_RUNTIME_DIR"], "agtmux", "agtmuxd.sock")
      : join(stateDir, "agtmuxd.sock");
  const ingestDir = join(stateDir, "ingest.d");
  shortEnough("the socket path", socketPath, "AGTMUX_SOCKET");
  shortEnough("the path of the hooks' socket", join(ingestDir, INGEST_SOCKET_SAMPLE), "AGTMUX_STATE_DIR");
  return {
    stateDir,
    socketPath,
    database: join(stateDir, "agtmux.db"),
    lockDatabase: join(stateDir, "lock.db"),
    socketFile: join(stateDir, "socket"),
    tcpAddressFile: join(stateDir, "tcp-address"),
    tcpTokenFile: join(stateDir, "tcp-token"),
    ingestDir,
    spoolDir: join(stateDir, "spool.d"),
    logFile: join(stateDir, "log", "agtmuxd.log"),
    hookScript: join(stateDir, "hooks", "agtmux-hook"),
  };
}

/**
 * The TCP address to serve on, from `HOST:PORT`; undefined if none is asked for. Throws ConfigError on anything but a
 * loopback address with a port.
 */
export function tcpAddress(text: string | undefined): TcpAddress | undefined {
  if (text === undefined || text === "") return undefined;
  const [, host = "", port = ""] = /^(localhost|127\.0\.0\.1|\[::1\]):(\d{1,5})$/u.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) {
    throw new ConfigError(`"${text}" is no loopback address: use 127.0.0.1:PORT or [::1]:PORT`);
  }
  return { host: host === "[::1]" ? "::1" : "127.0.0.1", port: Number(port) };
}
