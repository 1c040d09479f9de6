import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { tmuxWords } from "../tmux/argv.js";
import { doorbellArguments, startDoorbell } from "../tmux/doorbell.js";
import {
  DEFAULT_MAX_BYTES,
  DEFAULT_TIMEOUT_MS,
  type Doorbell,
  type Executor,
  ExecutorError,
  failureReported,
  MAX_STDERR_BYTES,
  processChanged,
  type RunOptions,
  type RunResult,
} from "./executor.js";
import type { PaneProcessProof } from "./process-proof.js";

/** Time between the polite and the hard end of a child, in milliseconds. */
const KILL_AFTER_MS = 250;
/** Longest wait for children to be gone when the executor closes, in milliseconds. */
const CLOSE_MS = 1_000;

export interface LocalExecutorOptions {
  /** Name (looked up in `env.PATH`) or absolute path of tmux; `tmux` without it. */
  readonly tmuxBinary?: string | undefined;
  /** The tmux server: its socket's name or path; the default socket without either. */
  readonly socket?: { readonly name?: string | undefined; readonly path?: string | undefined } | undefined;
  /** Outer deadline of a command that names none, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Whether a process is there and in front, now; see RunOptions. Without it none ever is. */
  readonly inFront?: ((process: PaneProcessProof) => boolean) | undefined;
  /** The environment tmux is given, but for what would point it elsewhere or change its language. */
  readonly env: NodeJS.ProcessEnv;
}

/** Runs tmux on this host. Throws nothing; every failure is an ExecutorError of the call that met it. */
export function createLocalExecutor(options: LocalExecutorOptions): Executor {
  const file = options.tmuxBinary ?? "tmux";
  const socket = socketOptions(options.socket);
  const env = tmuxEnvironment(options.env);
  const running = new Map<ChildProcess, { fail(error: ExecutorError): void; gone: Promise<void> }>();
  const doorbells = new Set<Doorbell>();
  let closed = false;

  const run = async (argv: readonly string[], runOptions: RunOptions = {}): Promise<RunResult> => {
    if (closed) throw new ExecutorError("failed", "the executor is closed");
    // -u: tmux speaks UTF-8 to us whatever the locale; -N: it never starts a server.
    const words = ["-u", "-N", ...socket, ...tmuxWords(argv)];
    const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
    const { promise: gone, resolve: setGone } = Promise.withResolvers<void>();
    const timeoutMs = runOptions.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const maxBytes = runOptions.maxBytes ?? DEFAULT_MAX_BYTES;

    // Nothing may come between this look and the start of tmux.
    if (runOptions.process !== undefined && options.inFront?.(runOptions.process) !== true)
      throw processChanged();
    let child: ChildProcess;
    try {
      child = spawn(file, words, {
        cwd: "/",
        env,
        stdio: [runOptions.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
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
    running.set(child, { fail, gone });

    const stdout = collect(child.stdout, maxBytes, () =>
      fail(new ExecutorError("too_large", `tmux answered with more than ${maxBytes} bytes`)),
    );
    const stderr = collect(child.stderr, MAX_STDERR_BYTES, () => undefined);
    // tmux may end without reading what it is fed; its answer says what came of it.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(runOptions.stdin);

    child.on("error", (error) => {
      fail(spawnFailure(error, file));
      running.delete(child);
      setGone();
    });
    child.on("close", (status, signal) => {
      clearTimeout(deadline);
      running.delete(child);
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
  };

  return {
    run,
    doorbell(onRing, onEnd) {
      if (closed) {
        queueMicrotask(() => onEnd("the executor is closed"));
        return { ready: Promise.resolve(false), close: () => undefined };
      }
      const { options: flags, command } = doorbellArguments();
      const argv = ["-u", "-N", ...flags, ...socket, ...tmuxWords(command)];
      const bell = startDoorbell({ file, argv, env }, onRing, (reason) => {
        doorbells.delete(bell);
        onEnd(reason);
      });
      doorbells.add(bell);
      return {
        ready: bell.ready,
        close: () => {
          doorbells.delete(bell);
          bell.close();
        },
      };
    },
    async close() {
      closed = true;
      for (const bell of doorbells) bell.close();
      doorbells.clear();
      const ended = [...running.values()].map(({ fail, gone }) => {
        fail(new ExecutorError("failed", "the executor is closed"));
        return gone;
      });
      await Promise.race([Promise.all(ended), delay(CLOSE_MS, undefined, { ref: false })]);
    },
  };
}

function socketOptions(socket: LocalExecutorOptions["socket"]): string[] {
  if (socket?.path !== undefined) return ["-S", socket.path];
  if (socket?.name !== undefined) return ["-L", socket.name];
  return [];
}

/** Without TMUX, which names another server, and with messages in the language that `failureReported` reads. */
function tmuxEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { TMUX: _server, TMUX_PANE: _pane, ...rest } = env;
  return { ...rest, LC_ALL: "C.UTF-8" };
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
