import { DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_MS, ExecutorError } from "../executor.js";
import { CommandLane, type ShellAnswer } from "./command-lane.js";
import type { ShellHost } from "./shell-channel.js";

export type { ShellAnswer } from "./command-lane.js";

export interface ShellOptions {
  /** Outer deadline in milliseconds (5 000), the wait for a free shell included. */
  readonly timeoutMs?: number | undefined;
  /** Most bytes of stdout (16 MiB). */
  readonly maxBytes?: number | undefined;
  /** Gives up; rejects with `failed`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * They print nothing: text is left in `agtmux_out`, a status in `agtmux_st`, and is told in one piece; what they complain
   * of is dropped. They may travel with others of the kind that were asked in the same turn of the event loop.
   */
  readonly gathered?: boolean | undefined;
  /** Called right before the commands are given to a shell, which has nothing else to do; what it throws is the result. */
  readonly onTurn?: (() => void) | undefined;
}

/** The shell of a host. */
export interface HostShell {
  /**
   * Runs POSIX commands; their standard input is empty. They may set variables, whose names begin with `agtmux_`, and
   * must not `exit`. Rejects with ExecutorError.
   */
  run(script: string | Uint8Array, options?: ShellOptions): Promise<ShellAnswer>;
}

export interface ChannelSettings {
  /** Most shells at once. sshd allows ten sessions a connection, and other things need some. */
  readonly maxLanes: number;
  /** A command that has waited this long for a shell gets another one. */
  readonly patienceMs: number;
  /** A shell beyond the first that has had nothing to do for this long ends. */
  readonly idleMs: number;
}

const SETTINGS: ChannelSettings = { maxLanes: 4, patienceMs: 100, idleMs: 30_000 };
/** Longest start of a shell: what login scripts do may take longer than any command. */
const START_MS = 20_000;
const MAX_START_BYTES = 1_024;
/** After the host has refused another session. */
const SCARCE_MS = 30_000;
/** Most commands that wait. */
const MAX_WAITING = 1_000;

interface Task {
  readonly script: string | Uint8Array;
  readonly maxBytes: number;
  readonly gathered: boolean;
  readonly onTurn: (() => void) | undefined;
  readonly resolve: (answer: ShellAnswer) => void;
  readonly reject: (error: ExecutorError) => void;
  lane?: CommandLane;
}

/**
 * Runs commands of one host: one shell, into which they are fed one by one. While a command hangs, those behind
 * it get another shell; one that misses its deadline is given up together with its shell.
 */
export class CommandChannel implements HostShell {
  readonly #lanes = new Map<CommandLane, NodeJS.Timeout | undefined>();
  readonly #waiting: Task[] = [];
  readonly #tasks = new Set<Task>();
  #opening = false;
  #starting: CommandLane | undefined;
  #patience: NodeJS.Timeout | undefined;
  #scarceUntil = Number.NEGATIVE_INFINITY;
  #closed: ExecutorError | undefined;

  constructor(
    private readonly host: ShellHost,
    private readonly settings: ChannelSettings = SETTINGS,
  ) {}

  /** Shells that are open. */
  get lanes(): number {
    return this.#lanes.size;
  }

  run(script: string | Uint8Array, options: ShellOptions = {}): Promise<ShellAnswer> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES, onTurn } = options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(new ExecutorError("failed", "given up"));
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new ExecutorError("failed", "too many commands wait for the host"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<ShellAnswer>();
    const task: Task = { script, maxBytes, gathered: options.gathered === true, onTurn, resolve, reject };
    const late = (): void =>
      this.#giveUp(task, new ExecutorError("timeout", `the host did not answer within ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    const aborted = (): void => this.#giveUp(task, new ExecutorError("failed", "given up"));
    signal?.addEventListener("abort", aborted);
    this.#tasks.add(task);
    this.#waiting.push(task);
    this.#pump();
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      this.#tasks.delete(task);
    });
  }

  /** Ends all shells; what is in flight and what comes later rejects with `error`. */
  close(error: ExecutorError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    clearTimeout(this.#patience);
    this.#waiting.length = 0;
    for (const task of this.#tasks) task.reject(error);
    for (const [lane, idle] of this.#lanes) {
      clearTimeout(idle);
      lane.fail(error);
    }
    this.#lanes.clear();
    this.#starting?.fail(error);
  }

  #giveUp(task: Task, error: ExecutorError): void {
    const at = this.#waiting.indexOf(task);
    if (at >= 0) this.#waiting.splice(at, 1);
    task.reject(error);
    // Its shell is busy with it still.
    task.lane?.fail(error);
  }

  #pump(): void {
    if (this.#closed !== undefined) return;
    for (const [lane, idle] of this.#lanes) {
      if (lane.busy) continue;
      const task = this.#waiting.shift();
      if (task === undefined) return;
      clearTimeout(idle);
      this.#lanes.set(lane, undefined);
      void this.#work(lane, task);
    }
    if (this.#waiting.length === 0 || this.#opening || this.#patience !== undefined) return;
    if (this.#lanes.size === 0) void this.#open();
    else if (this.#lanes.size < this.settings.maxLanes && performance.now() >= this.#scarceUntil) {
      this.#patience = setTimeout(() => {
        this.#patience = undefined;
        if (this.#waiting.length > 0 && !this.#opening) void this.#open();
      }, this.settings.patienceMs);
    }
  }

  async #work(lane: CommandLane, task: Task): Promise<void> {
    task.lane = lane;
    try {
      task.onTurn?.();
      task.resolve(await lane.run(task.script, task.maxBytes, task.gathered));
    } catch (error) {
      task.reject(executorError(error));
    }
    delete task.lane;
    this.#rest(lane);
    this.#pump();
  }

  /** A shell beyond the first ends when it has had nothing to do for a while. */
  #rest(lane: CommandLane): void {
    // It may be at its next command already, or gone.
    if (lane.busy || !this.#lanes.has(lane)) return;
    clearTimeout(this.#lanes.get(lane));
    const spare = this.#lanes.size > 1;
    this.#lanes.set(lane, spare ? setTimeout(() => this.#dismiss(lane), this.settings.idleMs) : undefined);
  }

  /** The last shell stays. */
  #dismiss(lane: CommandLane): void {
    if (!lane.busy && this.#lanes.size > 1) lane.fail(new ExecutorError("failed", "not needed any more"));
  }

  async #open(): Promise<void> {
    this.#opening = true;
    try {
      const channel = await this.host.open();
      const lane = new CommandLane(channel, this.host, () => this.#ended(lane));
      await this.#ready(lane);
      // Those who wait may have given up meanwhile; the shell is there for the next ones.
      if (this.#closed !== undefined) lane.fail(this.#closed);
      else if (!lane.closed) this.#lanes.set(lane, undefined);
    } catch (error) {
      this.#scarceUntil = performance.now() + SCARCE_MS;
      // With another shell open they wait for that one.
      if (this.#lanes.size === 0) {
        for (const task of this.#waiting.splice(0)) task.reject(executorError(error));
      }
    }
    this.#opening = false;
    this.#pump();
  }

  #ended(lane: CommandLane): void {
    clearTimeout(this.#lanes.get(lane));
    this.#lanes.delete(lane);
    this.#pump();
  }

  /** Waits until the login scripts are through and the shell answers. Rejects with ExecutorError. */
  async #ready(lane: CommandLane): Promise<void> {
    if (this.#closed !== undefined) lane.fail(this.#closed);
    this.#starting = lane;
    const late = new ExecutorError("timeout", `the login shell was not ready within ${START_MS / 1_000} s`);
    const timer = setTimeout(() => lane.fail(late), START_MS);
    try {
      await lane.run(this.host.ready, MAX_START_BYTES);
    } finally {
      clearTimeout(timer);
      this.#starting = undefined;
    }
  }
}

function executorError(error: unknown): ExecutorError {
  if (error instanceof ExecutorError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ExecutorError("failed", message, { cause: error });
}
