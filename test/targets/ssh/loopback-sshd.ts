import { readFileSync } from "node:fs";
import type { SshConnection } from "../../../src/server/targets/ssh/connection.js";
import { UserSshOpener } from "../../../src/server/targets/ssh/opener.js";
import { signal } from "../../tmux/private-server.js";
import { SshClientHome, type SshdPlace, TestSshd } from "./sshd.js";

/** A real sshd on a loopback port or in another place, and ssh settings that lead to it as `vm1` and every other name. */
export class LoopbackSshd {
  private constructor(
    readonly sshd: TestSshd,
    readonly home: SshClientHome,
  ) {}

  static async start(settings: readonly string[] = [], place?: SshdPlace): Promise<LoopbackSshd> {
    const home = new SshClientHome();
    // A home of its own: what the user's login shell does is none of a test's business, and it may be killed in it.
    const own = `SetEnv HOME=${home.directory}`;
    const sshd = await TestSshd.start({ authorized: [home.key], settings: [own, ...settings], place });
    home.trust("*", sshd);
    return new LoopbackSshd(sshd, home);
  }

  /** Settings for `ssh -F`. */
  get configFile(): string {
    return this.home.configFile;
  }

  /** Opens connections as the daemon does. */
  get opener(): UserSshOpener {
    return new UserSshOpener({ env: process.env, configFile: this.configFile });
  }

  open(): Promise<SshConnection> {
    return this.opener.open("vm1", AbortSignal.timeout(20_000));
  }

  /** Pids of sshd's own processes for the connections that are open. */
  connections(): number[] {
    try {
      return this.sshd.sessions().filter((pid) => commOf(pid).startsWith("sshd"));
    } catch {
      return this.connections(); // one went while it was looked at
    }
  }

  /** Ends the connections at once, without a word to the other side; the listener stays. */
  cut(): void {
    for (const pid of this.connections()) signal(pid, "SIGKILL");
  }

  /** Ends the listener and all connections. */
  stop(): Promise<void> {
    return this.sshd.stop();
  }

  /** Listens again, on the same port. */
  listen(): Promise<void> {
    return this.sshd.restart();
  }

  async close(): Promise<void> {
    await this.sshd.close();
    this.home.close();
  }
}

function commOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return ""; // gone since
  }
}
