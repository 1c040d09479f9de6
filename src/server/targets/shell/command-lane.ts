import { randomBytes } from "node:crypto";
import { cleanText } from "../../tmux/text.js";
import { ExecutorError, MAX_STDERR_BYTES } from "../executor.js";
import { AnswerFrame } from "./answer-frame.js";
import type { ShellChannel, ShellHost } from "./shell-channel.js";

/** What a command left. */
export interface ShellAnswer {
  readonly status: number;
  readonly stdout: Buffer;
  /** Cut after 64 KiB. */
  readonly stderr: Buffer;
}

/** Most bytes from a shell that was asked nothing. */
const MAX_UNASKED_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

interface Running {
  readonly out: AnswerFrame;
  /** Undefined: what it complains of is dropped. */
  readonly err: AnswerFrame | undefined;
  readonly maxBytes: number;
  readonly resolve: (answer: ShellAnswer) => void;
  readonly reject: (error: ExecutorError) => void;
}

/**
 * A `sh` on a channel of its own, fed one command after the other. Each answer stands between markers made at
 * random for it.
 */
export class CommandLane {
  #running: Running | undefined;
  #unasked = 0;
  #closed = false;

  /** `onClosed` is called once, when the shell has ended or was given up. */
  constructor(
    private readonly channel: ShellChannel,
    private readonly host: Pick<ShellHost, "prologue" | "ask">,
    private readonly onClosed: () => void,
  ) {
    channel.stdout.on("data", (chunk: Buffer) => this.#push("out", chunk));
    channel.stderr.on("data", (chunk: Buffer) => this.#push("err", chunk));
    for (const stream of [channel.stdout, channel.stderr]) {
      stream.on("error", (error: Error) => this.fail(new ExecutorError("failed", error.message)));
    }
    void channel.closed.then(({ status, signal }) => this.fail(this.#ended(signal ?? `status ${status}`)));
    if (host.prologue !== "") channel.write(host.prologue);
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** The shell has ended or was given up. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Runs a task, as its host understands it; `gathered`, see `ShellOptions.gathered`. One at a time. Rejects with ExecutorError. */
  run(task: string | Uint8Array, maxBytes: number, gathered = false): Promise<ShellAnswer> {
    const halves = [randomBytes(8).toString("hex"), randomBytes(8).toString("hex")];
    const marker = halves.join("");
    const { promise, resolve, reject } = Promise.withResolvers<ShellAnswer>();
    if (this.#closed) return Promise.reject(new ExecutorError("failed", "the shell has ended"));
    this.#running = {
      out: new AnswerFrame(marker, maxBytes),
      err: gathered ? undefined : new AnswerFrame(marker, MAX_STDERR_BYTES, true),
      maxBytes,
      resolve,
      reject,
    };
    this.channel.write(this.host.ask(halves.join(" "), task, gathered));
    return promise;
  }

  /** Gives the shell up; what it runs rejects with `error`. */
  fail(error: ExecutorError): void {
    if (this.#closed) return;
    this.#closed = true;
    const running = this.#running;
    this.#running = undefined;
    this.channel.close();
    this.onClosed();
    running?.reject(error);
  }

  #push(stream: "out" | "err", chunk: Buffer): void {
    const running = this.#running;
    const frame = running?.[stream];
    if (running === undefined || frame === undefined) {
      // A process that a login script has left behind may write whenever it likes, to a degree.
      this.#unasked += chunk.length;
      if (this.#unasked > MAX_UNASKED_BYTES)
        this.fail(new ExecutorError("protocol", "the shell does not stop talking"));
      return;
    }
    const state = frame.push(chunk);
    if (state === "over") {
      this.fail(new ExecutorError("too_large", `the answer has more than ${running.maxBytes} bytes`));
    } else if (state === "broken") {
      this.fail(new ExecutorError("protocol", "the shell sends something that is no answer"));
    } else if (running.out.state === "done" && running.err?.state !== "open") this.#finish(running);
  }

  #finish({ out, err, resolve }: Running): void {
    const status = Number(out.tail);
    if (!/^\d{1,3}$/u.test(out.tail) || status > 255) {
      this.fail(new ExecutorError("protocol", "the shell told no exit status"));
      return;
    }
    this.#running = undefined;
    resolve({ status, stdout: out.bytes, stderr: err?.bytes ?? NOTHING });
  }

  #ended(how: string): ExecutorError {
    const said = [this.#running?.err?.noise, this.#running?.out.noise].find(
      (text) => text !== undefined && text !== "",
    );
    const last = cleanText(said?.trimEnd().split("\n").at(-1) ?? "", 200);
    return new ExecutorError("failed", `the shell ended (${how})${last === "" ? "" : `: ${last}`}`);
  }
}
