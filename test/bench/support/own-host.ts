import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/daemon.js";
import { descendants, type SshClientHome, TestSshd } from "../../targets/ssh/sshd.js";

const PANES_PER_WINDOW = 4;
const PLAIN = "exec sleep 100000";
/** A process namespace whose first process is what follows; with that, everything in it ends. */
const OWN_PROCESSES = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** Whether hosts of their own can be made here; else all of them see all processes of this machine. */
export const hostsApart = apart();

/** A host with its own sshd, tmux server and, where that can be had, processes: no host sees another one's. */
export class OwnHost {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), "agtmux-host-")));
  readonly socketPath = join(this.directory, "s");

  private constructor(
    readonly name: string,
    readonly sshd: TestSshd,
  ) {}

  static async start(name: string, home: SshClientHome): Promise<OwnHost> {
    const place = { address: "127.0.0.1", within: hostsApart ? OWN_PROCESSES : [] };
    return new OwnHost(name, await TestSshd.start({ authorized: [home.key], place }));
  }

  /** Section of ssh_config that leads here. */
  get section(): string {
    return `Host ${this.name}\n  Port ${this.sshd.port}\n`;
  }

  /** Runs tmux there. */
  readonly tmux = (...words: string[]): string =>
    this.#run("tmux", "-u", "-f", "/dev/null", "-S", this.socketPath, ...words);

  /** Starts agents by this command, whose session files say that they are idle, and plain panes beside them. */
  async fill(command: string, agents: number, plain: number): Promise<void> {
    mkdirSync(join(this.directory, ".claude", "sessions"), { recursive: true });
    const [first = "", ...others] = [
      ...Array<string>(agents).fill(command),
      ...Array<string>(plain).fill(PLAIN),
    ];
    const words = ["new-session", "-d", "-s", "work", "-x", "200", "-y", "100", first];
    others.forEach((each, index) => {
      const make = (index + 1) % PANES_PER_WINDOW === 0 ? ["new-window", "-d", "-a"] : ["split-window", "-d"];
      words.push(";", ...make, "-t", "=work:{end}", each);
    });
    this.tmux(...words);
    const pids = this.tmux("list-panes", "-a", "-F", "#{pane_pid}").split("\n").slice(0, agents);
    const stats = await eventually("the agents to run", () => {
      const lines = this.#run("cat", ...pids.map((pid) => `/proc/${pid}/stat`)).split("\n");
      return lines.every((line) => line.includes("(claude)")) ? lines : undefined;
    });
    for (const line of stats) {
      const pid = Number.parseInt(line, 10);
      const session = {
        pid,
        procStart: line.slice(line.lastIndexOf(")") + 2).split(" ")[19],
        sessionId: `00000000-0000-4000-8000-${String(pid).padStart(12, "0")}`,
        status: "idle",
        statusUpdatedAt: Date.now(),
      };
      writeFileSync(join(this.directory, ".claude", "sessions", `${pid}.json`), JSON.stringify(session));
    }
  }

  /** Stops the tmux server: it answers nobody any more. */
  hang(): void {
    this.#run("sh", "-c", 'kill -STOP "$1"', "sh", this.tmux("display-message", "-p", "#{pid}"));
  }

  async close(): Promise<void> {
    if (!hostsApart) this.tmux("kill-server");
    await this.sshd.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #run(...words: string[]): string {
    const { TMUX: _server, TMUX_PANE: _pane, ...rest } = process.env;
    const env = { ...rest, SHELL: "/bin/sh", HOME: this.directory, ENV: "", TERM: "xterm-256color" };
    const [first] = descendants(this.sshd.pid);
    const whole = hostsApart ? ["nsenter", "-t", String(first), "-p", "-m", "--", ...words] : words;
    const [program = "", ...argv] = whole;
    return execFileSync(program, argv, { encoding: "utf8", timeout: 10_000, env }).trimEnd();
  }
}

function apart(): boolean {
  try {
    execFileSync(OWN_PROCESSES[0] ?? "", [...OWN_PROCESSES.slice(1), "true"], {
      stdio: "ignore",
      timeout: 10_000,
    });
    return true;
  } catch {
    return false;
  }
}
