import { existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { SignalSource, TargetKind } from "../../../src/client/index.js";
import { eventually, type TestDaemon } from "../../support/daemon.js";
import { LoopbackSshd } from "../../targets/ssh/loopback-sshd.js";
import { Scene } from "./scene.js";

/** An ssh target `vm1`, with a home of its own, whose one agent's pane takes what a hook would run. */
export class RemoteScene {
  runtimeId = "";
  paneId = "";

  private constructor(
    readonly sshd: LoopbackSshd,
    readonly scene: Scene,
  ) {}

  static async start(settings: readonly string[] = []): Promise<RemoteScene> {
    const sshd = await LoopbackSshd.start(settings);
    const scene = await Scene.start({ env: { AGTMUX_SSH_CONFIG: sshd.configFile } });
    const remote = new RemoteScene(sshd, scene);
    await scene.client.targets.removeTarget({ name: "lab" });
    mkdirSync(join(remote.home, ".claude"));
    // An interactive shell by the agent's name: what is typed there runs below it, as hooks run below an agent.
    const shells = join(scene.terminal.directory, "shell");
    mkdirSync(shells);
    symlinkSync("/bin/sh", join(shells, "claude"));
    scene.terminal.start("new-session", "-d", "-s", "work", "-x", "200", `exec ${join(shells, "claude")}`);
    await remote.watchedBy(scene.daemon);
    const pane = await scene.untilPane("the agent", ({ agent }) => agent !== undefined);
    remote.runtimeId = pane.agent?.runtimeId ?? "";
    remote.paneId = pane.identity?.paneId ?? "";
    return remote;
  }

  /** Adds the target to a daemon. */
  async watchedBy(daemon: TestDaemon): Promise<void> {
    const tmuxSocket = this.scene.terminal.socketPath;
    await daemon.client.targets.addTarget({ name: "vm1", kind: TargetKind.SSH, tmuxSocket });
  }

  /** The user's home on the target. */
  get home(): string {
    return this.sshd.home.directory;
  }

  get stateDir(): string {
    return join(this.home, ".local", "state", "agtmux");
  }

  get script(): string {
    return join(this.stateDir, "hooks", "agtmux-hook");
  }

  /** Installs, and waits for a way in for each of so many readers. */
  async install(readers = 1): Promise<void> {
    await this.scene.client.hooks.applyHooks({ scope: { target: "vm1" } });
    await eventually("the forwarded sockets", () => this.sockets().length === readers);
  }

  sockets(): string[] {
    return list(join(this.stateDir, "ingest.d")).filter((name) => name.endsWith(".sock"));
  }

  readers(): string[] {
    return list(join(this.stateDir, "spool.d"));
  }

  spooled(): string[] {
    return this.readers().flatMap((reader) =>
      list(join(this.stateDir, "spool.d", reader)).filter((name) => name.endsWith(".json")),
    );
  }

  /** Runs the hook as the agent would. */
  hook(event: string, { prefix = "", session = "s-1" } = {}): void {
    const payload = `{"hook_event_name":"${event}","session_id":"${session}"}`;
    const command = `echo '${payload}' | ${prefix} ${this.script} claude ${event}`;
    this.scene.tmux("send-keys", "-t", this.paneId, "-l", command);
    this.scene.tmux("send-keys", "-t", this.paneId, "Enter");
  }

  /** The types of the hook events that a daemon has stored for the agent, the oldest first. */
  async stored(daemon: TestDaemon = this.scene.daemon): Promise<{ eventType: string; spooled: boolean }[]> {
    const { panes } = await daemon.client.state.listPanes({ filter: { targets: ["vm1"] } });
    const runtimeId = panes[0]?.agent?.runtimeId ?? this.runtimeId;
    const { events } = await daemon.client.events.listEvents({ filter: { runtimeId }, limit: 1_000 });
    const hooks = events.filter(({ source }) => source === SignalSource.HOOK);
    return hooks
      .toSorted((a, b) => time(a.effectiveAt) - time(b.effectiveAt))
      .map(({ eventType, spooled }) => ({ eventType, spooled }));
  }

  async untilStored(count: number, daemon?: TestDaemon) {
    return eventually(`${count} events`, async () => {
      const stored = await this.stored(daemon);
      return stored.length >= count ? stored : undefined;
    });
  }

  async close(): Promise<void> {
    await this.scene.close();
    await this.sshd.close();
  }
}

function time(at: { seconds: bigint; nanos: number } | undefined): number {
  return at === undefined ? 0 : Number(at.seconds) * 1_000_000 + at.nanos / 1_000;
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
