import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import {
  DEFAULT_MAX_BYTES,
  ExecutorError,
  failureReported,
  MAX_STDERR_BYTES,
  type RunOptions,
  type RunResult,
} from "./executor.js";

/** Time between the polite and the hard end of a child, in milliseconds. */
const KILL_AFTER_MS = 250;
/** Longest wait for children to be gone when the executor closes, in milliseconds. */
const CLOSE_MS = 1_000;

/** tmux as children of this process: for what is too long for a kept shell. */
export class LocalChildren {
  readonly #running = new Map<ChildProcess, { fail(error: ExecutorError): void; gone: Promise<void> }>();

  constructor(private readonly env: NodeJS.ProcessEnv) {}

  /** Runs `file` as `Executor.run` says. Rejects with ExecutorError. */
  async run(
    file: string,
    words: readonly string[],
    options: RunOptions & { readonly timeoutMs: number },
  ): Promise<RunResult> {
    const { timeoutMs } = options;
    const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
    const { promise: gone, resolve: setGone } = Promise.withResolvers<void>();
    const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;

    let child: ChildProcess;
    try {
      child = spawn(file, words, {
        cwd: "/",
        env: this.env,
        stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      });
    } catch (error) {
      throw spawnFailure(error, file);
    }
    const fail = (error: ExecutorError): void => {
      clearTimeout(deadline);
      reject(error);
      end(child);
    };
    const deadline = setTimeout(
      () => fail(new ExecutorError("timeout", `tmux did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.#running.set(child, { fail, gone });

    const stdout = collect(child.stdout, maxBytes, () =>
      fail(new ExecutorError("too_large", `tmux answered with more than ${maxBytes} bytes`)),
    );
    const stderr = collect(child.stderr, MAX_STDERR_BYTES, () => undefined);
    // tmux may end without reading what it is fed; its answer says what came of it.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.stdin);

    child.on("error", (error) => {
      fail(spawnFailure(error, file));
      this.#running.delete(child);
      setGone();
    });
    child.on("close", (status, signal) => {
      clearTimeout(deadline);
      this.#running.delete(child);
      setGone();
      if (status === null) {
        reject(new ExecutorError("failed", `tmux was ended by ${signal}`));
        return;
      }
      const said = stderr();
      const failure = failureReported(status, said);
      if (failure === undefined) resolve({ status, stdout: stdout(), stderr: said });
      else reject(failure);
    });
    return promise;
  }

  /** Ends them all; what is in flight rejects with `error`. */
  async close(error: ExecutorError): Promise<void> {
    const ended = [...this.#running.values()].map(({ fail, gone }) => {
      fail(error);
      return gone;
    });
    await Promise.race([Promise.all(ended), delay(CLOSE_MS, undefined, { ref: false })]);
  }
}

function spawnFailure(error: unknown, file: string): ExecutorError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT")
    return new ExecutorError("tmux_not_found", `no tmux found as ${file}`, { cause: error });
  const why = error instanceof Error ? error.message : String(error);
  return new ExecutorError("failed", `tmux could not be started: ${why}`, { cause: error });
}

/** Ends a child whatever state it is in; a stopped one obeys SIGKILL only. */
function end(child: ChildProcess): void {
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.stdin?.destroy();
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
}

/** Gathers a stream up to `max` bytes; `onMore` is called at the first byte beyond, the rest is dropped. */
function collect(stream: NodeJS.ReadableStream | null, max: number, onMore: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on("data", (chunk: Buffer) => {
    const room = max - bytes;
    if (room < 0) return;
    bytes += chunk.length;
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    if (chunk.length > room) onMore();
  });
  stream?.on("error", () => undefined);
  // Decoding gives U+FFFD for what is no UTF-8 and for a character cut at the end: always well-formed.
  return () => Buffer.concat(chunks).toString("utf8");
}
