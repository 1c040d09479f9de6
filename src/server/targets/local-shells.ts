import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { ExecutorError } from "./executor.js";
import type { ShellChannel, ShellHost } from "./shell/shell-channel.js";
import { NOTHING, STARTER } from "./starter.js";

/** Time between the polite and the hard end of a shell and what runs in it, in milliseconds. */
const KILL_AFTER_MS = 250;
/** Longest wait for shells to be gone when all are closed, in milliseconds. */
const CLOSE_MS = 1_000;

/**
 * Shells that start programs for this process, with this environment; see `STARTER`. To start one by itself, this process
 * is copied first, whose memory is large: the shell takes half the time, and an eighth of this process's own
 * (docs/performance.md).
 */
export class LocalShells implements ShellHost {
  readonly prologue = "";
  readonly ready = NOTHING;
  readonly #running = new Map<ChildProcess, Promise<unknown>>();

  /** `base`: the program, and the words that all its argument lists begin with. */
  constructor(
    private readonly base: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  ask(halves: string, task: string | Uint8Array): Buffer {
    return Buffer.concat([Buffer.from(`${halves.replace(" ", "")}\n`), Buffer.from(task)]);
  }

  async open(): Promise<ShellChannel> {
    let child: ChildProcessWithoutNullStreams;
    try {
      // A process group of its own, to be ended as one.
      child = spawn("/bin/sh", ["-c", STARTER, "sh", ...this.base], {
        cwd: "/",
        env: this.env,
        stdio: "pipe",
        detached: true,
      });
      await once(child, "spawn");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new ExecutorError("failed", `sh could not be started: ${why}`, { cause: error });
    }
    const closed = new Promise<Awaited<ShellChannel["closed"]>>((resolve) => {
      child.once("close", (status, signal) => {
        this.#running.delete(child);
        resolve({ status: status ?? undefined, signal: signal ?? undefined });
      });
    });
    this.#running.set(child, closed);
    // Its end tells, and what it was asked has an end of its own.
    child.stdin.on("error", () => undefined);
    return {
      stdout: child.stdout,
      stderr: child.stderr,
      write: (chunk) => child.stdin.writable && child.stdin.write(chunk),
      close: () => end(child),
      closed,
    };
  }

  /** Waits a moment for those that were closed to be gone. */
  async gone(): Promise<void> {
    await Promise.race([Promise.all(this.#running.values()), delay(CLOSE_MS, undefined, { ref: false })]);
  }
}

/** Ends a shell and what it runs, whatever state they are in; who is stopped obeys SIGKILL only. */
function end(child: ChildProcessWithoutNullStreams): void {
  if (child.stdin.destroyed) return;
  for (const stream of child.stdio) stream?.destroy();
  signalGroup(child, "SIGTERM");
  setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS).unref();
}

function signalGroup({ pid = 0 }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Gone already, every one of them; or gone so long that the number is somebody else's.
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
