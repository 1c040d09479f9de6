import { createBellParser } from "../../tmux/doorbell.js";
import { cleanText } from "../../tmux/text.js";
import type { Doorbell } from "../executor.js";
import type { SshChannel } from "./connection.js";

/** A server that is not heard within this time ends the doorbell; the login scripts of a host may take most of it. */
const READY_MS = 20_000;
const MAX_WORDS = 256;

/** A doorbell on a channel that `open` gives, on which `tmux -C wait-for …` runs. It ends with the connection. */
export function startRemoteDoorbell(
  open: () => Promise<SshChannel>,
  onRing: (line: string) => void,
  onEnd: (reason: string) => void,
): Doorbell {
  const { promise: ready, resolve: setReady } = Promise.withResolvers<boolean>();
  let channel: SshChannel | undefined;
  let over = false;
  let complaint = "";

  const stop = (): void => {
    over = true;
    clearTimeout(deadline);
    setReady(false);
    channel?.close();
  };
  const end = (reason: string): void => {
    if (over) return;
    stop();
    onEnd(cleanText(reason, MAX_WORDS));
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

  const listen = (opened: SshChannel): void => {
    if (over) {
      opened.close();
      return;
    }
    channel = opened;
    opened.stdout.on("data", parse);
    opened.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString("utf8")).slice(-2 * MAX_WORDS);
    });
    for (const stream of [opened.stdout, opened.stderr])
      stream.on("error", (error: Error) => end(error.message));
    void opened.closed.then(({ status, signal }) =>
      // tmux speaks last; what login scripts say comes before.
      end(complaint.trimEnd().split("\n").at(-1) || `the doorbell ended (${signal ?? `status ${status}`})`),
    );
  };
  // Not at once: `host()` may throw, and nobody expects onEnd before the doorbell is in hand.
  Promise.resolve()
    .then(open)
    .then(listen, (error: unknown) => end(error instanceof Error ? error.message : String(error)));

  return {
    ready,
    close: () => {
      if (!over) stop();
    },
  };
}
