import { type ChildProcess, spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { printable } from "./ssh-error.js";

/** Most bytes kept of what a helper program writes to stderr. */
const MAX_STDERR_BYTES = 4_096;
/** Time between the polite and the hard end of a helper program, and for its last words, in milliseconds. */
const KILL_AFTER_MS = 250;

export interface Output {
  /** Undefined if a signal ended the program. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end without a terminal, so that nothing it starts can prompt. Rejects when it cannot be
 * started, with the reason of `stop` when that aborts, and with a RangeError when it writes more than `maxBytes`.
 */
export function runProgram(
  file: string,
  argv: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly maxBytes: number; readonly stop: AbortSignal },
): Promise<Output> {
  const { promise, resolve, reject } = Promise.withResolvers<Output>();
  if (options.stop.aborted) return Promise.reject(options.stop.reason);
  const child = spawn(file, argv, {
    env: promptless(options.env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const fail = (error: unknown): void => {
    reject(error);
    endGroup(child);
  };
  const onStop = (): void => fail(options.stop.reason);
  options.stop.addEventListener("abort", onStop, { once: true });
  const stdout = collect(child.stdout, options.maxBytes, () =>
    fail(new RangeError(`more than ${options.maxBytes} bytes of output`)),
  );
  const stderr = collect(child.stderr, MAX_STDERR_BYTES);
  child.on("error", fail);
  child.on("close", (status) => {
    options.stop.removeEventListener("abort", onStop);
    resolve({ status: status ?? undefined, stdout: stdout(), stderr: stderr() });
  });
  // A background child of the program may keep the pipes open; it is not waited for.
  child.on("exit", () => destroyPipesLater(child));
  return promise;
}

/** The user's ProxyCommand as a byte stream. Ends, once the program is over, with `ended` filled in. */
export class ProxyProgram extends Duplex {
  readonly #child: ChildProcess;
  readonly #stderr: () => string;
  #ended: string | undefined;

  /** `text` goes to `/bin/sh -c` as ssh does it: it is the user's own, its tokens already filled and checked. */
  constructor(text: string, env: NodeJS.ProcessEnv) {
    super({ allowHalfOpen: false });
    const child = spawn("/bin/sh", ["-c", `exec ${text}`], {
      env: promptless(env),
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.#child = child;
    this.#stderr = collect(child.stderr, MAX_STDERR_BYTES);
    child.stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => this.#over(`it could not be started: ${error.message}`));
    child.on("exit", () => destroyPipesLater(child));
    child.on("close", (status, signal) => {
      this.#over(signal === null ? `it ended with status ${status}` : `it was ended by ${signal}`);
    });
  }

  /** How the program ended and its last words; undefined while it runs. */
  get ended(): string | undefined {
    return this.#ended;
  }

  override _read(): void {
    this.#child.stdout?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const stdin = this.#child.stdin;
    if (stdin === null || !stdin.writable) done();
    else stdin.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#child.stdin?.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#ended === undefined) endGroup(this.#child);
    done(error);
  }

  #over(how: string): void {
    if (this.#ended !== undefined) return;
    const words = lastLine(this.#stderr());
    this.#ended = words === "" ? how : `${how}: ${words}`;
    if (!this.destroyed) this.push(null);
  }
}

/** The last line that says something, safe to show. */
function lastLine(text: string): string {
  const lines = text.split("\n").map(printable);
  return lines.findLast((line) => line !== "") ?? "";
}

// With no terminal ssh would otherwise open a window to ask for a passphrase.
function promptless(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, SSH_ASKPASS_REQUIRE: "never" };
}

/** Ends a program and what it started; each was given a process group of its own. */
function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGTERM");
  const hard = setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS);
  hard.unref();
  child.once("exit", () => clearTimeout(hard));
  for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // ESRCH: it ended in the meantime.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function destroyPipesLater(child: ChildProcess): void {
  const timer = setTimeout(() => {
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
  }, KILL_AFTER_MS);
  timer.unref();
  child.once("close", () => clearTimeout(timer));
}

/** Gathers a stream up to `max` bytes and drops the rest; `onMore` is called when there is more. */
function collect(stream: NodeJS.ReadableStream, max: number, onMore?: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    const room = max - bytes;
    if (room < 0) return;
    bytes += chunk.length;
    chunks.push(chunk.subarray(0, Math.max(0, room)));
    if (chunk.length > room) onMore?.();
  });
  stream.on("error", () => undefined);
  return () => Buffer.concat(chunks).toString("utf8");
}
