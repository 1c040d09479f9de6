import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Scene } from "../daemon/support/scene.js";
import { eventually } from "../support/daemon.js";

export const ROOT = join(import.meta.dirname, "..", "..");
export const EXAMPLES = join(ROOT, "docs", "examples");

/** What an example is given: the daemon's state directory, and nothing else of the machine's own. */
export function environment(scene: Scene): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: scene.daemon.root,
    AGTMUX_STATE_DIR: scene.daemon.stateDir,
  };
}

/** An example that runs until it is ended. */
export class Running {
  readonly #child: ChildProcess;
  #out = "";
  #err = "";

  constructor(program: string, words: readonly string[], options: { env: NodeJS.ProcessEnv; cwd?: string }) {
    this.#child = spawn(program, words, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#out += chunk.toString();
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#err += chunk.toString();
    });
  }

  /** Whole lines of stdout so far. */
  get lines(): string[] {
    return this.#out.split("\n").slice(0, -1);
  }

  get stderr(): string {
    return this.#err;
  }

  async until(what: string, fits: (running: Running) => boolean): Promise<void> {
    await eventually(what, () => {
      if (fits(this)) return true;
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#err}`);
      return undefined;
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#out}${this.#err}`);
    });
  }

  /** Ends it as Ctrl-C does; resolves with its exit status, or null if it had to be killed. */
  async end(): Promise<number | null> {
    if (this.#child.exitCode === null) this.#child.kill("SIGINT");
    try {
      await eventually("it to end", () => this.#child.exitCode !== null || undefined, 5_000);
    } finally {
      this.#child.kill("SIGKILL");
    }
    return this.#child.exitCode;
  }
}
