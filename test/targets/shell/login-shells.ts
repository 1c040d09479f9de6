import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SshChannel } from "../../../src/server/targets/ssh/connection.js";

/** The shells that are put in the place of a host's `sh`, with the programs that come with them. */
export const SHELLS = ["dash", "bash", "busybox"] as const;

/** What a connection's `exec` does, on this machine: a login shell runs the command. No network. */
export class LoginShells {
  readonly #children = new Set<ChildProcess>();
  readonly #directory = mkdtempSync(join(tmpdir(), "agtmux-shells-"));
  /** Channels opened so far. */
  opened = 0;

  constructor(
    sh: (typeof SHELLS)[number] = "dash",
    /** Stands for the login shell and the command. */
    private readonly instead?: readonly string[],
  ) {
    const bin = join(this.#directory, "bin");
    mkdirSync(bin);
    if (sh === "busybox") execFileSync(sh, ["--install", "-s", bin]);
    else
      symlinkSync(
        execFileSync("sh", ["-c", `command -v ${sh}`], { encoding: "utf8" }).trim(),
        join(bin, "sh"),
      );
  }

  /** Shells that run now. */
  get open(): number {
    return this.#children.size;
  }

  readonly exec = async (command: string): Promise<SshChannel> => {
    this.opened += 1;
    const [file = "", ...argv] = this.instead ?? ["bash", "-c", command];
    const env = { PATH: `${join(this.#directory, "bin")}:/usr/bin:/bin`, HOME: this.#directory };
    const child = spawn(file, argv, { env, stdio: "pipe" });
    this.#children.add(child);
    child.stdin.on("error", () => undefined);
    const closed = new Promise<{ status: number | undefined; signal: string | undefined }>((resolve) => {
      child.once("exit", () => this.#children.delete(child));
      child.once("close", (status, signal) => {
        resolve({ status: status ?? undefined, signal: signal ?? undefined });
      });
    });
    return {
      stdout: child.stdout,
      stderr: child.stderr,
      write: (chunk) => child.stdin.writable && child.stdin.write(chunk),
      end: () => child.stdin.end(),
      close: () => child.kill("SIGKILL"),
      closed,
    };
  };

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
