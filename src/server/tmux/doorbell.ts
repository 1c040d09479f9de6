import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Doorbell } from "../targets/executor.js";
import { cleanText } from "./text.js";

/** Most bytes kept of one notification line; the rest of a longer one is skipped. */
const MAX_LINE_BYTES = 256;
/** A server that is not heard within this time (a stopped one, say) ends the doorbell. */
const READY_MS = 5_000;
const KILL_AFTER_MS = 250;

/** What a control client says, as far as a doorbell cares. */
export interface BellEvents {
  /** The server has taken the client: from now on its changes ring. May come again. */
  ready(): void;
  ring(line: string): void;
  /** The server lets the client go. */
  exit(reason: string): void;
}

/**
 * Reads the output of `tmux -C wait-for …`, in chunks cut anywhere. Only lines that begin with `%` count;
 * what it keeps of an unfinished line is bounded.
 */
export function createBellParser(events: BellEvents): (chunk: Uint8Array) => void {
  const line = Buffer.alloc(MAX_LINE_BYTES);
  let used = 0;

  const finish = (): void => {
    const text = cleanText(line.toString("utf8", 0, used), MAX_LINE_BYTES);
    used = 0;
    const word = /^%([a-z][a-z-]*)(?: |$)/.exec(text)?.[1];
    if (word === undefined || word === "end" || word === "error") return;
    if (word === "begin") events.ready();
    else if (word === "exit") events.exit(text.slice(6));
    else events.ring(text);
  };

  return (chunk) => {
    for (const byte of chunk) {
      if (byte === 0x0a) finish();
      else if (used < MAX_LINE_BYTES) line[used++] = byte;
    }
  };
}

/** The tmux arguments of a doorbell: a control client that waits for a channel nobody signals, unattached. */
export function doorbellArguments(): { options: string[]; command: string[] } {
  return { options: ["-C"], command: ["wait-for", `agtmux-${randomBytes(8).toString("hex")}`] };
}

/**
 * Runs a doorbell as a child process. `file` and `argv` are complete. Its standard input stays open and
 * unwritten (an empty line would detach it), so that it ends with this process even if that is killed.
 */
export function startDoorbell(
  client: { file: string; argv: readonly string[]; env: NodeJS.ProcessEnv },
  onRing: (line: string) => void,
  onEnd: (reason: string) => void,
): Doorbell {
  const { promise: ready, resolve: setReady } = Promise.withResolvers<boolean>();
  // Its streams are absent when the process could not be started at all.
  const child: ChildProcess = spawn(client.file, client.argv, { cwd: "/", env: client.env, stdio: "pipe" });
  let over = false;
  let complaint = "";

  const stop = (): void => {
    over = true;
    clearTimeout(deadline);
    setReady(false);
    child.stdin?.destroy();
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
  };
  const end = (reason: string): void => {
    if (over) return;
    stop();
    onEnd(cleanText(reason, MAX_LINE_BYTES));
  };
  const deadline = setTimeout(() => end(`the tmux server did not answer within ${READY_MS} ms`), READY_MS);

  const parse = createBellParser({
    ready: () => {
      clearTimeout(deadline);
      setReady(!over);
    },
    ring: (line) => {
      if (!over) onRing(line);
    },
    exit: (reason) => end(reason === "" ? "the tmux server let the doorbell go" : reason),
  });
  child.stdout?.on("data", parse);
  child.stderr?.on("data", (chunk: Buffer) => {
    if (complaint.length < MAX_LINE_BYTES) complaint += chunk.toString("utf8");
  });
  for (const stream of [child.stdin, child.stdout, child.stderr]) {
    stream?.on("error", (error) => end(error.message));
  }
  child.on("error", (error) => end(error.message));
  child.on("close", (status, signal) =>
    end(complaint.split("\n", 1)[0] || `the doorbell ended (${signal ?? `status ${status}`})`),
  );

  return {
    ready,
    close: () => {
      if (!over) stop();
    },
  };
}
