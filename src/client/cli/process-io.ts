import { existsSync } from "node:fs";
import { isatty } from "node:tty";
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

async function ask(question: string): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
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
  return {
    stdout: outputOf(1, () => process.stdout),
    stderr: outputOf(2, () => process.stderr),
    ask: isatty(0) && isatty(2) ? ask : undefined,
    env: process.env,
    signal: controller.signal,
    now: () => new Date(),
    daemonPath: existsSync(daemonPath) ? daemonPath : undefined,
  };
}
