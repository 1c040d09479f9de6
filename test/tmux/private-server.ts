import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real tmux server of one test, on a socket in a directory of its own. */
export interface PrivateServer {
  readonly directory: string;
  readonly socketPath: string;
  /** Runs tmux on the socket and returns what it prints; throws if tmux refuses. */
  tmux(...argv: string[]): string;
  /** Like `tmux`, and starts the server if there is none. */
  start(...argv: string[]): string;
  pid(): number;
  /** Ends the server, waking it first if it was stopped, and removes the directory. */
  dispose(): void;
}

export function createPrivateServer(): PrivateServer {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "agtmux-tmux-")));
  const socketPath = join(directory, "s");
  const { TMUX: _server, TMUX_PANE: _pane, ...env } = process.env;
  let pid: number | undefined;
  const tmux = (...argv: string[]): string =>
    execFileSync("tmux", ["-u", "-f", "/dev/null", "-S", socketPath, ...argv], {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "pipe"],
      // A shell without the user's start files: the panes begin the same everywhere.
      env: { ...env, SHELL: "/bin/sh", HOME: directory, ENV: "", PS1: "$ ", TERM: "xterm-256color" },
    }).trimEnd();
  return {
    directory,
    socketPath,
    tmux,
    start(...argv) {
      const printed = tmux(...argv);
      pid = Number(tmux("display-message", "-p", "#{pid}"));
      return printed;
    },
    pid() {
      if (pid === undefined) throw new Error("the server was not started");
      return pid;
    },
    dispose() {
      if (pid !== undefined) signal(pid, "SIGCONT");
      spawnSync("tmux", ["-S", socketPath, "kill-server"], { timeout: 5_000 });
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Sends a signal to a process that may be gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Polls until `look` gives a value other than undefined and false; fails after `deadlineMs`. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 10_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
