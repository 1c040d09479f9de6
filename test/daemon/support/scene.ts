import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AgentState, type Pane, TargetKind } from "../../../src/client/index.js";
import { eventually, TestDaemon, type TestDaemonOptions } from "../../support/daemon.js";
import { createPrivateServer, type PrivateServer } from "../../tmux/private-server.js";

/** What Claude Code's session file says. */
export type SessionStatus = "busy" | "idle" | "permission prompt" | "input needed";

/** A process that looks like Claude Code to the daemon, in a real pane; its state is what the test writes. */
export interface FakeAgent {
  readonly paneId: string;
  readonly pid: number;
  /** Writes the session file. */
  say(status: SessionStatus): void;
}

/** A real daemon, and a real tmux server that it observes as the target `lab`. */
export class Scene {
  readonly tmux: PrivateServer["tmux"];

  private constructor(
    readonly daemon: TestDaemon,
    readonly terminal: PrivateServer,
  ) {
    this.tmux = terminal.tmux;
  }

  static async start(options: TestDaemonOptions = {}): Promise<Scene> {
    const terminal = createPrivateServer();
    mkdirSync(join(terminal.directory, "bin"));
    mkdirSync(join(terminal.directory, ".claude", "sessions"), { recursive: true });
    symlinkSync("/bin/sleep", join(terminal.directory, "bin", "claude"));
    const daemon = await TestDaemon.start(options);
    const scene = new Scene(daemon, terminal);
    await scene.addTarget("lab");
    return scene;
  }

  get client() {
    return this.daemon.client;
  }

  async addTarget(name: string, tmuxSocket = this.terminal.socketPath): Promise<void> {
    const { targets } = await this.client.targets.listTargets({});
    if (targets.some((target) => target.name === name)) return;
    await this.client.targets.addTarget({ name, kind: TargetKind.LOCAL, tmuxSocket });
  }

  /** The command line of an agent, for tmux. */
  get agentCommand(): string {
    return `exec ${join(this.terminal.directory, "bin", "claude")} 100000`;
  }

  /** Starts an agent by a tmux command that makes a pane, e.g. `new-session -d -s work`. */
  agent(...words: string[]): FakeAgent {
    const run = words[0] === "new-session" ? this.terminal.start : this.tmux;
    const printed = run(...words, "-P", "-F", "#{pane_id} #{pane_pid}", this.agentCommand);
    const [paneId = "", pid = ""] = printed.split(" ");
    return this.adopt(paneId, Number(pid));
  }

  /** The agent that runs as process `pid` in a pane. */
  adopt(paneId: string, pid: number): FakeAgent {
    return {
      paneId,
      pid,
      say: (status) => {
        const waiting = status === "permission prompt" || status === "input needed";
        const session = {
          pid,
          procStart: startOf(pid),
          sessionId: `00000000-0000-4000-8000-${String(pid).padStart(12, "0")}`,
          status: waiting ? "waiting" : status,
          ...(waiting ? { waitingFor: status } : {}),
          statusUpdatedAt: Date.now(),
        };
        writeFileSync(
          join(this.terminal.directory, ".claude", "sessions", `${pid}.json`),
          JSON.stringify(session),
        );
      },
    };
  }

  /** Starts an agent that listens to its session file from the first look on, and waits until it shows `status`. */
  async agentIn(status: SessionStatus, ...words: string[]): Promise<FakeAgent> {
    const agent = this.agent(...words);
    await this.untilState(agent, status);
    return agent;
  }

  /** Says it, and waits until lists show it. */
  async untilState(agent: FakeAgent, status: SessionStatus): Promise<Pane> {
    // Its argv is the test's own only after exec.
    await eventually(
      "the agent to run",
      () => readFileSync(`/proc/${agent.pid}/comm`, "utf8").trim() === "claude",
    );
    agent.say(status);
    return this.untilPane(`${agent.paneId} to be ${status}`, (pane) => {
      return pane.identity?.paneId === agent.paneId && pane.agent?.state === STATES[status];
    });
  }

  async panes(): Promise<Pane[]> {
    const { panes } = await this.client.state.listPanes({ filter: { includePlain: true } });
    return panes;
  }

  async untilPane(what: string, fits: (pane: Pane) => boolean): Promise<Pane> {
    return eventually(what, async () => (await this.panes()).find(fits));
  }

  async untilPanes(what: string, match: (panes: readonly Pane[]) => boolean): Promise<Pane[]> {
    return eventually(what, async () => {
      const panes = await this.panes();
      return match(panes) ? panes : undefined;
    });
  }

  async close(): Promise<void> {
    try {
      await this.daemon.close();
    } finally {
      this.terminal.dispose();
    }
  }
}

const STATES: Readonly<Record<SessionStatus, AgentState>> = {
  busy: AgentState.RUNNING,
  idle: AgentState.IDLE,
  "permission prompt": AgentState.WAITING_APPROVAL,
  "input needed": AgentState.WAITING_INPUT,
};

/** Field 22 of /proc/<pid>/stat. */
export function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
