import { existsSync } from "node:fs";
import { isatty } from "node:tty";
import { usageError } from "../errors.js";
import type { Io, Output } from "./io.js";

const DEFAULT_SIZE = { columns: 80, rows: 24 };

/** `stream` is asked for only when it is used: making one of the process's streams takes a while. */
function outputOf(fd: 1 | 2, stream: () => NodeJS.WriteStream): Output {
  return {
    write: (text) => {
      stream().write(text);
    },
    drained: () =>
      stream().writableNeedDrain
        ? new Promise((resolve) => {
            stream().once("drain", resolve);
          })
        : Promise.resolve(),
    isTerminal: isatty(fd),
    size: () => ({
      columns: stream().columns || DEFAULT_SIZE.columns,
      rows: stream().rows || DEFAULT_SIZE.rows,
    }),
    onResize: (callback) => {
      stream().on("resize", callback);
      return () => stream().off("resize", callback);
    },
  };
}

/** An end of input or Ctrl-C instead of an answer reads as an empty one. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question, { signal });
  } catch (thrown) {
    if (signal.aborted || !(thrown instanceof Error) || thrown.name !== "AbortError") throw thrown;
    process.stderr.write("\n");
    return "";
  } finally {
    terminal.close();
  }
}

async function readInput(field: string, most: number, signal: AbortSignal): Promise<Uint8Array> {
  const { addAbortSignal } = await import("node:stream");
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of addAbortSignal(signal, process.stdin)) {
    // Without an encoding a stream gives bytes.
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > most) throw usageError(field, `${field}: standard input holds more than ${most} bytes`);
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

/**
 * This process as a command sees it. `daemonPath` is where agtmuxd would be. Ends the process quietly when the
 * reader of its output goes away, and aborts `signal` on SIGINT, SIGTERM and SIGHUP.
 */
export function processIo(daemonPath: string): Io {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // A second signal ends the process at once, whatever it is waiting for.
    process.once(name, () => controller.abort());
  }
  process.stdout.on("error", (thrown: NodeJS.ErrnoException) => {
    // `agtmux … | head` has seen enough; anything else is worth knowing.
    process.exit(thrown.code === "EPIPE" ? 0 : 1);
  });
  const { signal } = controller;
  const stdout = outputOf(1, () => process.stdout);
  const execute: Io["execute"] = async (argv) =>
    (await import("./other-commands.js")).runInTerminal(argv, process.env, stdout.write);
  return {
    stdout,
    stderr: outputOf(2, () => process.stderr),
    ask: isatty(0) && isatty(2) ? (question) => ask(question, signal) : undefined,
    readInput: (field, most) => readInput(field, most, signal),
    execute: isatty(0) && stdout.isTerminal ? execute : undefined,
    env: process.env,
    signal,
    now: () => new Date(),
    daemonPath: existsSync(daemonPath) ? daemonPath : undefined,
  };
}
