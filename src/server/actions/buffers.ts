import { randomBytes } from "node:crypto";
import type { Logger } from "../log.js";
import { type Executor, ExecutorError } from "../targets/executor.js";
import { sequence } from "../tmux/argv.js";

/** Begins the names of all tmux buffers of ours. */
const PREFIX = "agtmux-";
/** A buffer of ours that is older than this was left behind, in seconds: an action takes no longer than that. */
const LEFT_BEHIND_S = 60;

/** The tmux buffers in which text travels. Each lives for one action; what is left behind is taken away. */
export class CleanUp {
  constructor(private readonly log: Logger) {}

  /** A fresh buffer's name. */
  name(): string {
    return `${PREFIX}${randomBytes(8).toString("hex")}`;
  }

  /** Takes a buffer away, if it is there. Never rejects. */
  async forget(executor: Executor, buffer: string): Promise<void> {
    try {
      await executor.run(["delete-buffer", "-b", buffer]);
    } catch (error) {
      if (!(error instanceof ExecutorError)) throw error;
      // The next action on that server takes it away.
      this.log.warn({ error: error.message }, "a tmux buffer may have been left behind");
    }
  }

  /** Takes away what earlier actions have left behind. Rejects with ExecutorError. */
  async sweep(executor: Executor): Promise<void> {
    // Both times are by the tmux server's clock: another daemon's buffer in use must not be taken for an old one.
    const clock = ["display-message", "-p", "%s"];
    const list = ["list-buffers", "-F", "#{buffer_created} #{buffer_name}"];
    const { stdout } = await executor.run(sequence([clock, list]));
    const [now = "", ...lines] = stdout.split("\n");
    const old = lines.flatMap((line) => {
      const [, created = "", name = ""] = /^(\d{1,12}) (agtmux-[0-9a-f]{16})$/u.exec(line) ?? [];
      return name !== "" && Number(now) - Number(created) > LEFT_BEHIND_S ? [name] : [];
    });
    for (const name of old) await executor.run(["delete-buffer", "-b", name]);
  }
}
