import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "./backoff.js";
import type { AgtmuxError } from "./errors.js";
import { type Environment, socketCandidates, stateDirectory } from "./paths.js";
import { checkSocket, connectionError, unavailable } from "./socket-check.js";

/** How long a daemon may take until it answers, in milliseconds: fifty that are started at once on a busy machine take ten seconds. */
const START_DEADLINE_MS = 30_000;
const POLL_FIRST_MS = 25;
const POLL_MAX_MS = 250;
/** What is read of a failed daemon's last words, in bytes. */
const STDERR_BYTES = 4_096;

/**
 * How the daemon's Node keeps its memory. Left to itself it lets garbage pile up to several times of what lives: after
 * 100 000 events it held 380 MB instead of 205 (docs/performance.md). Old space has room for many times what is needed.
 */
export const DAEMON_NODE_OPTIONS: readonly string[] = ["--max-semi-space-size=8", "--max-old-space-size=512"];

export interface StartOptions {
  readonly env: Environment;
  /** Absolute path of agtmuxd; run with this process's own Node. */
  readonly daemonPath: string;
  readonly deadlineMs?: number | undefined;
}

/** Whether something accepts connections on `socket`. Throws only if the socket must not be trusted. */
function answers(socket: string): Promise<boolean> {
  try {
    checkSocket(socket);
  } catch (thrown) {
    const error = connectionError(thrown, socket);
    if (error.details["cause"] === "not_running") return Promise.resolve(false);
    throw error;
  }
  return new Promise((resolve) => {
    const connection = connect({ path: socket });
    connection.once("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.once("error", () => resolve(false));
  });
}

async function anyAnswers(env: Environment): Promise<boolean> {
  for (const socket of socketCandidates(env)) if (await answers(socket)) return true;
  return false;
}

interface Started {
  readonly child: ChildProcess;
  /** What the child has written to stderr so far, at most its first few lines. */
  lastWords(): string;
  release(): void;
}

/**
 * Runs agtmuxd apart from this process. Its stderr goes to a file that is removed at once or at `release`, not
 * to a pipe: a pipe would break under the daemon when this process ends.
 */
function launch(options: StartOptions): Started {
  const directory = mkdtempSync(join(tmpdir(), "agtmux-start-"));
  const path = join(directory, "stderr");
  const stderr = openSync(path, "wx", 0o600);
  const child = spawn(process.execPath, [...DAEMON_NODE_OPTIONS, options.daemonPath], {
    cwd: "/",
    detached: true,
    env: { ...options.env },
    stdio: ["ignore", "ignore", stderr],
  });
  closeSync(stderr);
  child.unref();
  return {
    child,
    lastWords: () => readFileSync(path).subarray(0, STDERR_BYTES).toString("utf8").trim(),
    release: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function startFailed(lastWords: string, how: string, env: Environment): AgtmuxError {
  const socket = socketCandidates(env)[0] ?? "";
  const line = lastWords.split("\n").find((text) => text.trim() !== "");
  const hint = `its log is in ${join(stateDirectory(env), "log")}`;
  const message = line === undefined ? `the daemon did not start: ${how}; ${hint}` : line.trim();
  return unavailable("start_failed", message, socket);
}

/**
 * Starts the daemon and resolves once one answers, be it this one or that of another client that was faster:
 * the daemon's own lock decides, and losers exit with 0. Rejects with E_DAEMON_UNAVAILABLE when it cannot start
 * (with the daemon's own line) or does not answer within the deadline (30 s by default).
 */
export async function startDaemon(options: StartOptions): Promise<void> {
  const { env, deadlineMs = START_DEADLINE_MS } = options;
  const until = performance.now() + deadlineMs;
  const started = launch(options);
  let ended: string | undefined;
  let failed = false;
  started.child.once("error", (thrown) => {
    failed = true;
    ended = thrown.message;
  });
  started.child.once("exit", (status, signal) => {
    failed = status !== 0;
    ended = signal === null ? `it exited with status ${status}` : `it was ended by ${signal}`;
  });
  try {
    for (let wait = POLL_FIRST_MS; ; wait = Math.min(POLL_MAX_MS, wait * 1.5)) {
      if (await anyAnswers(env)) return;
      if (failed) throw startFailed(started.lastWords(), ended ?? "", env);
      if (performance.now() >= until) {
        throw startFailed(started.lastWords(), `no answer within ${deadlineMs / 1000} s`, env);
      }
      await pause(wait);
    }
  } finally {
    started.release();
  }
}
