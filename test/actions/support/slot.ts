import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { type AgentState, type Pane, AgentState as State, TargetKind } from "../../../src/client/index.js";
import type { TestDaemon } from "../../support/daemon.js";
import { createPrivateServer, signal, until } from "../../tmux/private-server.js";
import { isAlive, isInFront, micros, type Note, PATIENCE_MS, Victims } from "./victims.js";

/** How the agent came into its pane: as its own process, from a shell that writes down what it reads, or from a real one. */
export type Kind = "own" | "shell" | "sh";

/** What the agent shows as a round begins. */
export type Scene = "idle" | "running" | "dialog";

const STATES: Readonly<Record<Scene, AgentState>> = {
  idle: State.IDLE,
  running: State.RUNNING,
  dialog: State.WAITING_APPROVAL,
};
const ORDERS: Readonly<Record<Scene, string>> = { idle: "calm", running: "busy", dialog: "open" };

/** Far more than an agent takes to start. */
const TYPED_AGAIN_MS = 5_000;

/** A tmux server of its own with an agent that is acted on, another agent beside it, and a bystander. */
export class Slot {
  readonly #server = createPrivateServer();
  readonly victims = new Victims(this.#server.directory);
  /** The pane that is acted on. */
  paneId = "%0";
  /** The dialog that the agent shows last; each has its own number. */
  dialogs = 0;

  /** When the test itself stopped or killed the agent of this round, as notes count time. */
  struckAt: number | undefined;

  private constructor(
    readonly name: string,
    readonly kind: Kind,
    private readonly daemon: TestDaemon,
  ) {}

  static async open(daemon: TestDaemon, name: string, kind: Kind): Promise<Slot> {
    const slot = new Slot(name, kind, daemon);
    await slot.build();
    const tmuxSocket = slot.#server.socketPath;
    await daemon.client.targets.addTarget({ name, kind: TargetKind.LOCAL, tmuxSocket });
    return slot;
  }

  get directory(): string {
    return this.#server.directory;
  }

  /** Runs tmux; resolves with what it prints, or undefined if it refuses. */
  tmux(...argv: string[]): Promise<string | undefined> {
    const { TMUX: _server, TMUX_PANE: _pane, ...rest } = process.env;
    const { directory, socketPath } = this.#server;
    const env = { ...rest, SHELL: "/bin/sh", HOME: directory, ENV: "", PS1: "$ ", TERM: "xterm-256color" };
    const words = ["-u", "-f", "/dev/null", "-S", socketPath, ...argv];
    return new Promise((resolve) => {
      execFile("tmux", words, { env, cwd: directory, timeout: 10_000 }, (error, stdout) => {
        resolve(error === null ? stdout.trimEnd() : undefined);
      });
    });
  }

  /** The command of the pane that is acted on. */
  get command(): string {
    if (this.kind === "sh") return "exec sh -im";
    return `exec ${this.victims.command(this.kind === "own" ? "agent" : "shell")}`;
  }

  /** The agent of the pane that is acted on. */
  get agent(): Note | undefined {
    return this.victims.in(this.paneId, "agent");
  }

  /** Has the agent read nothing more from now on. */
  strike(how: "SIGSTOP" | "SIGKILL"): void {
    const { agent } = this;
    if (agent === undefined) return;
    this.struckAt = micros();
    signal(agent.pid, how);
  }

  /** Begins a server anew: the ids are those of the one before. */
  async build(): Promise<void> {
    await this.tmux("kill-server");
    const size = ["-x", "120", "-y", "30"];
    const beside = `exec ${this.victims.command("agent")}`;
    const away = `exec ${this.victims.command("plain")}`;
    const first = ["new-session", "-d", "-s", "work", ...size, this.command];
    const second = ["split-window", "-d", "-h", "-t", "%0", beside];
    const third = ["new-session", "-d", "-s", "side", ...size, away];
    // A pane whose own program ends stays, dead.
    const kept = ["set-option", "-g", "remain-on-exit", "on"];
    const begin = [...first, ";", ...kept, ";", ...second, ";", ...third];
    // The one before may be about to go.
    await until("a server", async () => (await this.tmux(...begin)) !== undefined, PATIENCE_MS);
    this.paneId = "%0";
    await this.launch();
  }

  /** Has the pane's shell start an agent, if it has none. */
  async launch(): Promise<Note> {
    let typedAt = Number.NEGATIVE_INFINITY;
    return until(
      `an agent in ${this.paneId} of ${this.name}`,
      async () => {
        const { agent } = this;
        if (agent !== undefined) return agent;
        const shell = this.victims.in(this.paneId, "shell");
        if (shell !== undefined) this.victims.tell(shell, "start");
        // Again if nothing came of it: the shell may not have been in front yet.
        if (this.kind === "sh" && performance.now() - typedAt > TYPED_AGAIN_MS) {
          typedAt = performance.now();
          // Not Enter: an agent that was killed leaves its terminal as it is.
          await this.tmux("send-keys", "-t", this.paneId, this.victims.command("agent", true), "C-j");
        }
        return undefined;
      },
      PATIENCE_MS,
    );
  }

  /** Repairs what the round before has left, has the agent show that scene, and resolves with its pane once it is listed so. */
  async ready(scene: Scene): Promise<Pane> {
    this.struckAt = undefined;
    for (const { pid } of this.victims.alive()) signal(pid, "SIGCONT");
    const at = ["-t", this.paneId];
    const reset = ["copy-mode", "-q", ...at, ";", "select-pane", "-e", ...at, ";"];
    const alone = ["set-option", "-w", ...at, "synchronize-panes", "off", ";"];
    const same = await this.tmux(...reset, ...alone, "resize-pane", ...at, "-x", "60", "-y", "20");
    if (same === undefined) await this.build();
    else if (this.agent === undefined && this.victims.in(this.paneId, "shell") === undefined)
      await this.tmux("respawn-pane", "-k", "-t", this.paneId, this.command);
    const agent = await this.launch();
    const order = scene === "dialog" ? `${ORDERS.dialog} ${++this.dialogs}` : ORDERS[scene];
    this.victims.tell(agent, "calm");
    this.victims.tell(agent, order);
    await this.victims.settle();
    let asked = false;
    let last = "";
    const shown = until(
      `${this.name} to show ${scene}`,
      async () => {
        const filter = { targets: [this.name] };
        const { panes } = await this.daemon.client.state.listPanes({ filter });
        const pane = panes.find(({ identity }) => identity?.paneId === this.paneId);
        const found = pane?.agent;
        last = `pid ${found?.agentPid}, not ${agent.pid}; ${found?.state} ${found?.reasonCode} ${found?.promptText}`;
        if (found?.agentPid !== BigInt(agent.pid)) {
          // Not before the next look at that server, which is now.
          if (!asked)
            void this.daemon.client.targets.connectTarget({ name: this.name }).catch(() => undefined);
          asked = true;
          return undefined;
        }
        if (found.state !== STATES[scene]) return undefined;
        return scene !== "dialog" || found.promptText.includes(`part-${this.dialogs}`) ? pane : undefined;
      },
      PATIENCE_MS,
    );
    return shown.catch((error: unknown) => {
      throw new Error(`last seen: ${last}`, { cause: error });
    });
  }

  /** Resolves when all that was sent is written down. */
  async settle(): Promise<void> {
    for (const { pid } of this.victims.alive()) signal(pid, "SIGCONT");
    const { agent } = this;
    // A real shell takes the terminal from a job that is stopped, and gives it back when it is told to. Whatever else has
    // taken an agent from the front is none that may be told.
    if (this.kind === "sh" && agent !== undefined && this.struckAt !== undefined) {
      await until(
        `${this.name}'s agent to be in front`,
        async () => {
          if (isInFront(agent) || !isAlive(agent.pid, agent.start)) return true;
          await this.tmux("send-keys", "-t", this.paneId, "-l", "fg");
          await this.tmux("send-keys", "-t", this.paneId, "C-j");
          return false;
        },
        PATIENCE_MS,
      );
    }
    await this.victims.settle();
  }

  /** What stands on the pane's screen as nobody but its terminal or a real shell would put it there. */
  async echoes(): Promise<string[]> {
    if (this.kind !== "sh") return [];
    const screen = (await this.tmux("capture-pane", "-p", "-S", "-", "-t", this.paneId)) ?? "";
    return screen.split("\n").filter((line) => /[RX][0-9A-Z]{4}/u.test(line));
  }

  async close(): Promise<void> {
    await this.tmux("kill-server");
    this.#server.dispose();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
