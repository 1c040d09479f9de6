import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { tmuxWords } from "../../tmux/argv.js";
import { doorbellArguments } from "../../tmux/doorbell.js";
import {
  DEFAULT_MAX_BYTES,
  DEFAULT_TIMEOUT_MS,
  type Doorbell,
  type Executor,
  ExecutorError,
  MAX_STDERR_BYTES,
  processChanged,
  type RunOptions,
} from "../executor.js";
import type { PaneProcessProof } from "../process-proof.js";
import type { HostShell, ShellAnswer, ShellOptions } from "../shell/command-channel.js";
import { tmuxAnswer } from "../shell/tmux-answer.js";
import type { SshChannel } from "./connection.js";
import { NOT_IN_FRONT, REMOTE_COMMAND, REMOTE_PROLOGUE } from "./remote-shells.js";
import { shQuote, shWords } from "./sh-quote.js";
import { startRemoteDoorbell } from "./ssh-doorbell.js";

/** What a remote `--tmux-socket` may hold: a name or a path. */
export const REMOTE_SOCKET = /^[A-Za-z0-9._/+-]+$/u;

/** A host that is reached now. */
export interface ReachedHost {
  readonly shell: HostShell;
  /** Opens a channel of its own for one constant command. */
  open(command: string): Promise<SshChannel>;
  /** Connects to a Unix socket of the host. */
  dial(path: string): Promise<Duplex>;
}

export interface SshExecutorOptions {
  /** Throws ExecutorError `unreachable` while there is no connection. */
  readonly host: () => Pick<ReachedHost, "shell" | "open">;
  /** Name (looked up on the remote PATH) or absolute path of tmux; `tmux` without it. */
  readonly tmuxBinary?: string | undefined;
  /** Name or absolute path of tmux's socket; the default socket for ''. Must match REMOTE_SOCKET. */
  readonly tmuxSocket: string;
  /** Outer deadline of a command that names none, in milliseconds. */
  readonly timeoutMs?: number | undefined;
}

/** What `timeout -s KILL` makes of a command that it ended. */
const KILLED = new Set([124, 137]);

/**
 * Waits beside a doorbell until the connection is gone, and ends it a second later if it is still there: a control client
 * to which tmux had something to say at that moment would never end, and keep its server from ending too (seen with
 * 3.3a). The parent is asked for at the very end, so that nobody else's process is meant.
 */
const UNDERTAKER =
  'exec 3<&0; { read -r agtmux_x; sleep 1; read -r agtmux_x agtmux_x agtmux_x agtmux_p agtmux_x </proc/self/stat; [ "$agtmux_p" = "$$" ] && kill -9 "$$"; } <&3 3<&- >/dev/null 2>&1 & exec 3<&-; ';

/** Runs tmux on another host. Closing it leaves the connection alone. */
export function createSshExecutor(options: SshExecutorOptions): Executor {
  const file = options.tmuxBinary ?? "tmux";
  const { tmuxSocket } = options;
  if (tmuxSocket !== "" && !REMOTE_SOCKET.test(tmuxSocket)) {
    throw new RangeError("a remote tmux socket may hold A-Z a-z 0-9 . _ / + - only");
  }
  const socket = tmuxSocket === "" ? [] : [tmuxSocket.startsWith("/") ? "-S" : "-L", tmuxSocket];
  const closing = new AbortController();
  const doorbells = new Set<Doorbell>();

  const run: Executor["run"] = async (argv, runOptions = {}) => {
    if (closing.signal.aborted) throw closedError();
    const { maxBytes, process } = runOptions;
    const timeoutMs = runOptions.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const script = tmuxScript([file, "-u", "-N", ...socket, ...tmuxWords(argv)], timeoutMs, runOptions);
    const { shell } = options.host();
    const shellOptions = { timeoutMs, maxBytes, signal: closing.signal };
    const answer =
      runOptions.gathered === true
        ? await runGathered(shell, script, shellOptions)
        : await shell.run(script, shellOptions);
    const { status } = answer;
    if (status === NOT_IN_FRONT && process !== undefined) throw processChanged();
    if (KILLED.has(status)) throw new ExecutorError("timeout", `tmux did not answer within ${timeoutMs} ms`);
    return tmuxAnswer(answer, file, "on the host");
  };

  const openDoorbell = async (): Promise<SshChannel> => {
    const channel = await options.host().open(REMOTE_COMMAND);
    const { options: flags, command } = doorbellArguments();
    const words = shWords([file, "-u", "-N", ...flags, ...socket, ...tmuxWords(command)]);
    // tmux takes the place of the shell, so that its end is the channel's.
    channel.write(
      Buffer.concat([Buffer.from(`${REMOTE_PROLOGUE}${UNDERTAKER}exec `), words, Buffer.from("\n")]),
    );
    return channel;
  };

  const inFront: Executor["inFront"] = async (process) => {
    if (closing.signal.aborted) throw closedError();
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const { shell } = options.host();
    const { status } = await shell.run(frontScript(process), { timeoutMs, signal: closing.signal });
    if (status !== 0 && status !== NOT_IN_FRONT)
      throw new ExecutorError("protocol", `the host's shell could not look at a process (${status})`);
    return status === 0;
  };

  return {
    run,
    inFront,
    doorbell(onRing, onEnd) {
      if (closing.signal.aborted) {
        queueMicrotask(() => onEnd("the executor is closed"));
        return { ready: Promise.resolve(false), close: () => undefined };
      }
      const bell = startRemoteDoorbell(openDoorbell, onRing, (reason) => {
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
    },
  };
}

/** The line that runs tmux. What it is fed travels inside: a stream would be read ahead by the shell, and executed. */
function tmuxScript(words: readonly string[], timeoutMs: number, { stdin, process }: RunOptions): Buffer {
  if (stdin?.includes(0) === true) {
    throw new ExecutorError("failed", "a NUL cannot be fed to a command over ssh");
  }
  // The caller has given up by then; whole seconds, for busybox.
  const seconds = Math.ceil(timeoutMs / 1_000) + 1;
  const feed = stdin === undefined ? [] : [Buffer.from("printf %s "), shQuote(stdin), Buffer.from(" | ")];
  // In the same line as the command: no round trip lies between the look and what follows it.
  const look = process === undefined ? [] : [frontScript(process), AND];
  return Buffer.concat([...look, ...feed, Buffer.from(`lim ${seconds} `), shWords(words)]);
}

function frontScript({ pid, startRaw, panePid }: PaneProcessProof): Buffer {
  return shWords(["front", String(pid), startRaw, String(panePid)]);
}

/** A blank and the digits. */
const MAX_STATUS_BYTES = 4;

/** Runs a command whose output, complaints and status are to travel in one piece. */
async function runGathered(shell: HostShell, command: Buffer, options: ShellOptions): Promise<ShellAnswer> {
  // Between what it printed and what it complained of.
  const middle = randomBytes(16).toString("hex");
  const script = Buffer.concat([
    Buffer.from("agtmux_out=$({ agtmux_e=$({ "),
    command,
    Buffer.from(`\n} 2>&1 >&3 3>&-; printf ' %s' "$?"); printf '${middle}%s' "$agtmux_e"; } 3>&1)`),
  ]);
  const { maxBytes = DEFAULT_MAX_BYTES } = options;
  const room = middle.length + MAX_STDERR_BYTES + MAX_STATUS_BYTES;
  const { stdout } = await shell.run(script, { ...options, gathered: true, maxBytes: maxBytes + room });
  const at = stdout.lastIndexOf(middle);
  const from = stdout.lastIndexOf(" ");
  const status = stdout.toString("latin1", from + 1);
  if (at < 0 || from < at || !/^\d{1,3}$/u.test(status)) {
    throw new ExecutorError("protocol", "the host's answer has no end");
  }
  if (at > maxBytes) throw new ExecutorError("too_large", `the answer has more than ${maxBytes} bytes`);
  const stderr = stdout.subarray(at + middle.length, from).subarray(0, MAX_STDERR_BYTES);
  return { status: Number(status), stdout: stdout.subarray(0, at), stderr };
}

const AND = Buffer.from(" && ");

function closedError(): ExecutorError {
  return new ExecutorError("failed", "the executor is closed");
}
