import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { type Executor, ExecutorError } from "../../src/server/targets/executor.js";
import { sequence } from "../../src/server/tmux/argv.js";
import { guarded } from "../../src/server/tmux/guard.js";
import { lookAtPane, type PaneLook } from "../../src/server/tmux/pane-look.js";
import { type PrivateServer, until } from "./private-server.js";

/** Ends whatever escape sequence is open. */
const CANCEL = "\u0018\u001b\\";
/** Undoes what would hide or bend a line that is drawn afterwards; the cursor goes astray. */
const STRAIGHTEN = "\u001b(B\u000f\u001b[?6l\u001b[4l\u001b[r\u001b[0m";

/** A pane with a silent program: what stands on its screen is what the test writes to its terminal. */
export class ScreenPane {
  #drawn = 0;

  private constructor(
    readonly paneId: string,
    readonly pid: number,
    private readonly executor: Executor,
    private readonly terminal: number,
  ) {}

  /** By a tmux command that makes a pane, e.g. `new-session -d`. */
  static async open(server: PrivateServer, executor: Executor, ...words: string[]): Promise<ScreenPane> {
    const run = words[0] === "new-session" ? server.start : server.tmux;
    const facts = "#{pane_id} #{pane_pid} #{pane_tty}";
    // Raw: the terminal changes nothing on the way to the screen.
    const printed = run(...words, "-P", "-F", facts, "stty raw -echo; exec sleep 100000");
    const [paneId = "", pid = "", tty = ""] = printed.split(" ");
    await until("the silent program", () => readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n");
    return new ScreenPane(
      paneId,
      Number(pid),
      executor,
      openSync(tty, constants.O_WRONLY | constants.O_NOCTTY),
    );
  }

  /** Writes and waits for nothing. */
  write(bytes: string | Uint8Array): void {
    const all = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < all.length; ) at += writeSync(this.terminal, all, at);
  }

  /**
   * Writes, and waits until tmux shows it; the cursor is left where the bytes left it. A word of this helper's own then
   * stands at the start of the last line.
   */
  async draw(bytes: string | Uint8Array): Promise<PaneLook> {
    const word = `drawn${++this.#drawn}.`;
    this.write(bytes);
    this.write(`${CANCEL}\u001b7${STRAIGHTEN}\u001b[999;1H${word}\u001b8`);
    return until(word, async () => {
      const look = await this.look();
      return look.lines.at(-1)?.text.startsWith(word) === true ? look : undefined;
    });
  }

  /** Clears everything, then draws. */
  redraw(bytes: string | Uint8Array): Promise<PaneLook> {
    return this.draw(
      Buffer.concat([Buffer.from(`${CANCEL}\u001b[?1049l\u001bc\u001b[H`), Buffer.from(bytes)]),
    );
  }

  async look(): Promise<PaneLook> {
    const look = await lookAtPane(this.executor, this.paneId);
    if (look === undefined) throw new Error(`${this.paneId} is gone`);
    return look;
  }

  close(): void {
    closeSync(this.terminal);
  }
}

/**
 * Whether tmux finds a condition true at this pane. `afterwards`: tmux commands; a job that a format has begun is killed
 * when its client goes, so what should not begin one is given the time to be found out.
 */
export async function isTrue(
  executor: Executor,
  paneId: string,
  condition: string,
  afterwards: readonly (readonly string[])[] = [],
): Promise<boolean> {
  const words = [["display-message", "-p", "granted"]];
  const command = guarded(paneId, condition, words, [["display-message", "-p", "refused"]]);
  const { stdout, stderr } = await executor.run(sequence([command, ...afterwards]));
  if (stdout === "granted\n") return true;
  if (stdout === "refused\n") return false;
  throw new ExecutorError("protocol", `tmux said ${JSON.stringify(stdout + stderr)}`);
}
