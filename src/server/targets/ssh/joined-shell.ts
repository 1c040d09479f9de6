import { randomBytes } from "node:crypto";
import { DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_MS, ExecutorError } from "../executor.js";
import type { HostShell, ShellOptions } from "../shell/command-channel.js";
import type { ShellAnswer } from "../shell/command-lane.js";

interface Joined {
  readonly script: string | Uint8Array;
  readonly options: ShellOptions;
  readonly resolve: (answer: ShellAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Digits of an exit status, and the newline behind. */
const STATUS = /^\d{1,3}\n/u;
const STATUS_BYTES = 4;

/** Longest wait for those that travel together, in milliseconds: one that hangs must not hold up the others. */
const TOGETHER_MS = 2_000;
/** How long they go alone once that was too long. */
const APART_MS = 60_000;

/**
 * A shell in which commands that say so (`gathered`) travel together: what is asked in one turn of the event loop is one round
 * trip. They run one after the other, and each gets an answer of its own. They are asked again if that takes too long, each by
 * itself: they only read.
 */
export class JoinedShell implements HostShell {
  #waiting: Joined[] = [];
  #apartUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly shell: HostShell) {}

  run(script: string | Uint8Array, options: ShellOptions = {}): Promise<ShellAnswer> {
    if (options.gathered !== true) return this.shell.run(script, options);
    const { promise, resolve, reject } = Promise.withResolvers<ShellAnswer>();
    const { signal } = options;
    const aborted = (): void => reject(new ExecutorError("failed", "given up"));
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted === true) aborted();
    this.#waiting.push({ script, options, resolve, reject });
    // Whoever is a few promises further away from it is waited for.
    if (this.#waiting.length === 1) setImmediate(() => void this.#flush());
    return promise.finally(() => signal?.removeEventListener("abort", aborted));
  }

  async #flush(): Promise<void> {
    const tasks = this.#waiting.filter(({ options }) => options.signal?.aborted !== true);
    this.#waiting = [];
    const began = performance.now();
    if (tasks.length === 1 || began < this.#apartUntil) return this.#apart(tasks, 0);
    try {
      if (tasks.length > 0) await this.#together(tasks);
    } catch (error) {
      if (error instanceof ExecutorError && error.kind === "timeout") {
        this.#apartUntil = performance.now() + APART_MS;
        this.#apart(tasks, performance.now() - began);
      } else for (const { reject } of tasks) reject(error);
    }
  }

  /** Each by itself; `spentMs` of their time have gone. */
  #apart(tasks: readonly Joined[], spentMs: number): void {
    for (const { script, options, resolve, reject } of tasks) {
      const timeoutMs = Math.max(1, (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) - spentMs);
      this.shell.run(script, { ...options, timeoutMs }).then(resolve, reject);
    }
  }

  async #together(tasks: readonly Joined[]): Promise<void> {
    const end = randomBytes(16).toString("hex");
    const told = `\nagtmux_all="$agtmux_all\${agtmux_out}${end}$agtmux_st\n"; agtmux_out= agtmux_st=0\n`;
    const script = Buffer.concat([
      Buffer.from("agtmux_all=\n"),
      ...tasks.flatMap(({ script }) => [Buffer.from(script), Buffer.from(told)]),
      Buffer.from("agtmux_out=$agtmux_all"),
    ]);
    const limits = tasks.map(({ options }) => options.maxBytes ?? DEFAULT_MAX_BYTES);
    const answer = await this.shell.run(script, {
      timeoutMs: Math.min(
        TOGETHER_MS,
        ...tasks.map(({ options }) => options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
      ),
      maxBytes: limits.reduce((sum, limit) => sum + limit + end.length + STATUS_BYTES, 0),
      gathered: true,
    });
    let { stdout } = answer;
    for (const [index, { resolve, reject }] of tasks.entries()) {
      const at = stdout.indexOf(end);
      const rest = stdout.subarray(at + end.length);
      const status = STATUS.exec(rest.subarray(0, STATUS_BYTES).toString("latin1"))?.[0];
      if (at < 0 || status === undefined)
        throw new ExecutorError("protocol", "answers of the host came mixed up");
      const limit = limits[index] ?? DEFAULT_MAX_BYTES;
      if (at > limit) reject(new ExecutorError("too_large", `the answer has more than ${limit} bytes`));
      else resolve({ status: Number(status), stdout: stdout.subarray(0, at), stderr: answer.stderr });
      stdout = rest.subarray(status.length);
    }
  }
}
