import { randomBytes } from "node:crypto";
import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";
import { shQuote } from "./sh-quote.js";

/** Most bytes of all files of one round trip. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const MAX_BATCH_FILES = 64;
/** A file on a hung mount, or a fifo put in its place, keeps a reader no longer. */
const SECONDS = 4;

type Part = "head" | "tail";

interface Wanted {
  readonly part: Part;
  readonly path: string;
  readonly maxBytes: number;
  readonly resolve: (bytes: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** One file: a letter that says what it is, its bytes, and the separator. */
const READ = `agtmux_read() { if [ -f "$3" ]; then if [ -r "$3" ]; then printf f; lim ${SECONDS} "$1" -c "$2" "$3"; else printf x; fi; elif [ -e "$3" ]; then printf n; else printf 0; fi; printf %s "$agtmux_sep"; }`;

/** Reads files of a host. Those asked for in one turn of the event loop are one round trip. */
export class RemoteReads {
  #waiting: Wanted[] = [];

  /** Rejects with ExecutorError while there is no connection. */
  constructor(private readonly reach: () => Promise<HostShell>) {}

  /**
   * The first or the last `maxBytes` (8 MiB at most) of a regular file; undefined if there is none. Rejects if it is
   * something else or may not be read.
   */
  read(part: Part, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    // A path of hostile words is no path.
    if (!path.startsWith("/") || path.includes("\0"))
      return Promise.reject(new Error("not an absolute path"));
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting.push({ part, path, maxBytes: Math.min(maxBytes, MAX_BATCH_BYTES), resolve, reject });
    if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    return promise;
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let batch: Wanted[] = [];
    let bytes = 0;
    for (const wanted of waiting) {
      if (batch.length >= MAX_BATCH_FILES || (bytes > 0 && bytes + wanted.maxBytes > MAX_BATCH_BYTES)) {
        void this.#readBatch(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(wanted);
      bytes += wanted.maxBytes;
    }
    void this.#readBatch(batch);
  }

  async #readBatch(batch: readonly Wanted[]): Promise<void> {
    try {
      const separator = randomBytes(8).toString("hex");
      const lines = batch.map(({ part, path, maxBytes }) =>
        Buffer.concat([Buffer.from(`\nagtmux_read ${part} ${maxBytes} `), shQuote(path)]),
      );
      const script = Buffer.concat([Buffer.from(`${READ}\nagtmux_sep=${separator}`), ...lines]);
      const maxBytes = batch.reduce((sum, wanted) => sum + wanted.maxBytes + 64, 0);
      const { stdout } = await (await this.reach()).run(script, { maxBytes });
      let from = 0;
      for (const wanted of batch) {
        const end = stdout.indexOf(separator, from);
        if (end < 0) throw new ExecutorError("protocol", "the files of the host came mixed up");
        settle(wanted, stdout.subarray(from, end));
        from = end + separator.length;
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

function settle({ path, resolve, reject }: Wanted, answer: Buffer): void {
  switch (String.fromCharCode(answer[0] ?? 0)) {
    case "f":
      resolve(answer.subarray(1));
      return;
    case "0":
      resolve(undefined);
      return;
    case "x":
      reject(new Error(`${path} may not be read`));
      return;
    default:
      reject(new Error(`${path} is not a regular file`));
  }
}
