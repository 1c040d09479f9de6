import { randomBytes } from "node:crypto";
import { type Executor, ExecutorError } from "../targets/executor.js";
import { NEXT_COMMAND, sequence } from "./argv.js";
import { cleanText } from "./text.js";

/** Longest line kept of a screen, in characters. */
export const MAX_LINE = 4_096;
/** Most lines of scrollback that may be asked for. */
export const MAX_SCROLLBACK = 10_000;
/** Most bytes of captures put into one tmux command. */
const MAX_BATCH_BYTES = 12_000;

/**
 * The lines on the screens of these panes (`%N`), and up to `scrollback` lines above, from top to bottom and
 * without attributes. A pane that is gone is not in the answer. All captures of about a hundred panes are one
 * tmux command, so they show one moment. No server: an empty map. Rejects with ExecutorError otherwise.
 */
export async function captureScreens(
  executor: Executor,
  paneIds: readonly string[],
  options: { scrollback?: number } = {},
): Promise<Map<string, string[]>> {
  const scrollback = Math.min(Math.max(0, Math.trunc(options.scrollback ?? 0)), MAX_SCROLLBACK);
  const screens = new Map<string, string[]>();
  for (const batch of batches([...new Set(paneIds)], scrollback)) {
    const marker = randomBytes(8).toString("hex");
    const question = sequence([
      ...batch.flatMap((paneId) => [["display-message", "-p", marker], capture(paneId, scrollback)]),
      ["display-message", "-p", marker],
    ]);
    try {
      const { stdout } = await executor.run(question);
      readScreens(stdout, marker, batch, screens);
    } catch (error) {
      if (error instanceof ExecutorError && error.kind === "no_server") return screens;
      throw error;
    }
  }
  return screens;
}

/**
 * Captures a pane if it is there. A capture-pane of a vanished pane by itself fails, and with it all commands
 * behind it; for if-shell a missing pane is one whose `pane_id` is empty.
 */
function capture(paneId: string, scrollback: number): string[] {
  const from = scrollback === 0 ? "" : ` -S -${scrollback}`;
  return ["if-shell", "-F", "-t", paneId, "#{pane_id}", `capture-pane -p${from} -t ${paneId}`];
}

function* batches(paneIds: readonly string[], scrollback: number): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const paneId of paneIds) {
    if (!/^%\d{1,10}$/.test(paneId)) throw new ExecutorError("failed", "a pane id is not of the form %N");
    const words = [NEXT_COMMAND, "display-message", "-p", "0123456789abcdef", NEXT_COMMAND];
    const size = [...words, ...capture(paneId, scrollback)].join(" ").length + 1;
    if (bytes + size > MAX_BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(paneId);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** What lies between two markers is one pane's screen; a pane that is gone leaves nothing there. */
function readScreens(
  stdout: string,
  marker: string,
  batch: readonly string[],
  into: Map<string, string[]>,
): void {
  const [, ...parts] = stdout.split(`${marker}\n`);
  for (const [index, paneId] of batch.entries()) {
    const text = parts[index];
    // Without the marker behind it the capture may be cut.
    if (text === undefined || text === "" || index + 1 >= parts.length) continue;
    into.set(
      paneId,
      text
        .replace(/\n$/, "")
        .split("\n")
        .map((line) => cleanText(line, MAX_LINE)),
    );
  }
}
