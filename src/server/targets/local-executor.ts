import { tmuxWords } from "../tmux/argv.js";
import { doorbellArguments, startDoorbell } from "../tmux/doorbell.js";
import {
  DEFAULT_TIMEOUT_MS,
  type Doorbell,
  type Executor,
  ExecutorError,
  processChanged,
} from "./executor.js";
import { LocalChildren } from "./local-children.js";
import { LocalShells } from "./local-shells.js";
import type { PaneProcessProof } from "./process-proof.js";
import { type ChannelSettings, CommandChannel } from "./shell/command-channel.js";
import { tmuxAnswer } from "./shell/tmux-answer.js";
import { startTask } from "./starter.js";

/** A shell more costs this host little, so nobody waits for one for long. */
const SHELLS: ChannelSettings = { maxLanes: 8, patienceMs: 1, idleMs: 30_000 };

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

/** Longest task of a kept shell, which reads byte by byte: beyond that, to start tmux from here is faster. */
const MAX_TASK_BYTES = 4_096;

/** Runs tmux on this host. Throws nothing; every failure is an ExecutorError of the call that met it. */
export function createLocalExecutor(options: LocalExecutorOptions): Executor {
  const file = options.tmuxBinary ?? "tmux";
  const socket = socketOptions(options.socket);
  const env = tmuxEnvironment(options.env);
  // -u: tmux speaks UTF-8 to us whatever the locale; -N: it never starts a server.
  const base = ["-u", "-N", ...socket];
  const shells = new LocalShells([file, ...base], env);
  const shell = new CommandChannel(shells, SHELLS);
  const children = new LocalChildren(env);
  const closing = new AbortController();
  const doorbells = new Set<Doorbell>();

  const run: Executor["run"] = async (argv, runOptions = {}) => {
    if (closing.signal.aborted) throw closedError();
    const words = tmuxWords(argv);
    const { stdin, process } = runOptions;
    const timeoutMs = runOptions.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    // Nothing may come between this look and the start of tmux.
    const onTurn = (): void => {
      if (process !== undefined && options.inFront?.(process) !== true) throw processChanged();
    };
    const bytes = words.reduce((sum, word) => sum + Buffer.byteLength(word), stdin?.length ?? 0);
    if (bytes > MAX_TASK_BYTES || stdin?.includes(0) === true) {
      onTurn();
      return children.run(file, [...base, ...words], { ...runOptions, timeoutMs });
    }
    const { maxBytes } = runOptions;
    const task = startTask(words, stdin);
    const answer = await shell.run(task, { timeoutMs, maxBytes, onTurn, signal: closing.signal });
    return tmuxAnswer(answer, file, "on this host");
  };

  return {
    run,
    async inFront(process) {
      if (closing.signal.aborted) throw closedError();
      return options.inFront?.(process) === true;
    },
    doorbell(onRing, onEnd) {
      if (closing.signal.aborted) {
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
      for (const bell of doorbells) bell.close();
      doorbells.clear();
      closing.abort();
      shell.close(closedError());
      await Promise.all([shells.gone(), children.close(closedError())]);
    },
  };
}

function closedError(): ExecutorError {
  return new ExecutorError("failed", "the executor is closed");
}

function socketOptions(socket: LocalExecutorOptions["socket"]): string[] {
  if (socket?.path !== undefined) return ["-S", socket.path];
  if (socket?.name !== undefined) return ["-L", socket.name];
  return [];
}

/** Without TMUX, which names another server, and with messages in the language that `failureReported` reads; bytes stay bytes in a shell. */
function tmuxEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { TMUX: _server, TMUX_PANE: _pane, ...rest } = env;
  return { ...rest, LC_ALL: "C" };
}
