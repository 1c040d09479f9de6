import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Pane, TargetHealth, TargetKind } from "../../src/client/index.js";
import { Scene } from "../daemon/support/scene.js";
import { failpointBuild } from "../robustness/failpoint/builds.js";
import { Life } from "../robustness/failpoint/life.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { createPrivateServer, type PrivateServer, signal } from "../tmux/private-server.js";
import { findAgain, type RefusedActions, refusedActions } from "./error-table-actions.js";

const CLI = join(import.meta.dirname, "..", "..", process.env["AGTMUX_TEST_DIST"] ?? "dist", "agtmux.mjs");

/** One that grants every condition of the guard's probe; all else the real one does. */
const CARELESS_TMUX = `#!/bin/sh
for word; do case "$word" in *agtmux*never*) for _ in 1 2 3 4 5 6 7 8; do echo y; done; exit 0;; esac; done
PATH=$REAL_PATH exec tmux "$@"
`;

/** No tmux as old as this can be had, so a program stands in for it. */
const OLD_TMUX = `#!/bin/sh
for word; do [ "$word" = -V ] && { echo "tmux 3.2a"; exit 0; }; done
exit 1
`;

export interface CliRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What it takes to have each error for real: several daemons, and tmux servers in every condition. */
export class ErrorStage {
  private constructor(
    /** Where the files of this stage are; a home without anything in it. */
    readonly root: string,
    /**
     * Targets: lab (session "work" with two agents), stuck (a stopped tmux server), gone (a socket that cannot be there),
     * lost (one that was there, with an agent). It serves TCP too.
     */
    readonly scene: Scene,
    /** Of an agent that has ended. */
    readonly endedRuntime: string,
    readonly refused: RefusedActions,
    private readonly stuck: PrivateServer,
    private readonly lost: PrivateServer,
    /** Its tmux is too old. */
    readonly outdated: TestDaemon,
    /** It has the target lab as well, by a tmux that does not guard as it must. */
    readonly guardless: TestDaemon,
    /** It does not answer: it was stopped. */
    readonly silent: TestDaemon,
    /** It has a defect where it would answer an ingest call or send a watch message. */
    readonly defective: Life,
  ) {}

  static async set(): Promise<ErrorStage> {
    const root = mkdtempSync(join(tmpdir(), "agtmux-errors-"));
    const bin = join(root, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "tmux"), OLD_TMUX);
    chmodSync(join(bin, "tmux"), 0o755);
    const stuck = createPrivateServer();
    stuck.start("new-session", "-d", "exec sleep 100000");
    const lost = createPrivateServer();
    const careless = join(root, "careless");
    mkdirSync(careless);
    writeFileSync(join(careless, "tmux"), CARELESS_TMUX);
    chmodSync(join(careless, "tmux"), 0o755);
    const path = process.env["PATH"] ?? "";
    const [scene, outdated, guardless, silent, defective] = await Promise.all([
      Scene.start({ env: { AGTMUX_TCP: "127.0.0.1:0" } }),
      TestDaemon.start({ env: { PATH: bin } }),
      TestDaemon.start({ env: { PATH: `${careless}:${path}`, REAL_PATH: path } }),
      TestDaemon.start(),
      failpointBuild().then((program) => {
        const failpoint = "ingest.before-answer=throw@1+;watch.before-send=throw@1+";
        return Life.serving({ program, root: join(root, "defective"), failpoint });
      }),
    ]);
    await scene.addTarget("stuck", stuck.socketPath);
    await scene.addTarget("gone", "/dev/null/s");
    signal(stuck.pid(), "SIGSTOP");
    silent.child.kill("SIGSTOP");
    const first = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    await scene.agentIn("idle", "split-window", "-d", "-t", first.paneId);
    const endedRuntime = await endOne(scene);
    await eventually("the target gone to be down", async () => {
      const { target } = await scene.client.targets.connectTarget({ name: "gone" });
      return target?.health === TargetHealth.DOWN;
    });
    const tmuxSocket = scene.terminal.socketPath;
    await guardless.client.targets.addTarget({ name: "lab", kind: TargetKind.LOCAL, tmuxSocket });
    const refused = await refusedActions(scene, { lost, guardless }, first.paneId);
    const daemons = [outdated, guardless, silent, defective] as const;
    return new ErrorStage(root, scene, endedRuntime, refused, stuck, lost, ...daemons);
  }

  get socketPath(): string {
    return this.scene.daemon.socketPath;
  }

  get tcpAddress(): string {
    return readFileSync(join(this.scene.daemon.stateDir, "tcp-address"), "utf8").trim();
  }

  /** The hooks' own socket, on which there is nothing but IngestService. */
  get hooksSocket(): string {
    const folder = join(this.scene.daemon.stateDir, "ingest.d");
    return join(folder, readdirSync(folder)[0] ?? "");
  }

  /** A home directory whose Claude Code settings cannot be edited. */
  get brokenHome(): string {
    const home = join(this.root, "broken-home");
    mkdirSync(join(home, ".claude"), { recursive: true });
    writeFileSync(join(home, ".claude", "settings.json"), "{ this is no JSON");
    return home;
  }

  /** Runs the CLI without a terminal. `env` is set apart from that of the scene. */
  cli(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> {
    return this.run(process.execPath, [CLI, ...words], env);
  }

  /** `cli`, with so many more times `option` and a word of so many bytes: more than a process may pass on by default. */
  cliWithMuch(words: readonly string[], option: string, pieces: number, bytes: number): Promise<CliRun> {
    const script = `ulimit -s 65536
piece=$(head -c ${bytes} /dev/zero | tr '\\0' x)
for _ in $(seq ${pieces}); do set -- "$@" ${option} "$piece"; done
exec "$@"`;
    return this.run("sh", ["-c", script, "sh", process.execPath, CLI, ...words], {});
  }

  private run(
    program: string,
    words: readonly string[],
    extra: Readonly<Record<string, string>>,
  ): Promise<CliRun> {
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: this.root,
      AGTMUX_STATE_DIR: this.scene.daemon.stateDir,
      AGTMUX_NO_START: "1",
      ...extra,
    };
    const child = spawn(program, words, { env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, stdout, stderr }));
    });
  }

  async close(): Promise<void> {
    signal(this.stuck.pid(), "SIGCONT");
    this.silent.child.kill("SIGCONT");
    await Promise.allSettled([
      this.scene.close(),
      this.outdated.close(),
      this.guardless.close(),
      this.silent.close(),
      this.defective.end("SIGKILL"),
    ]);
    this.stuck.dispose();
    findAgain(this.lost);
    this.lost.dispose();
    rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function endOne(scene: Scene): Promise<string> {
  const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "short");
  const own = ({ identity }: Pane) => identity?.paneId === agent.paneId;
  const runtimeId = (await scene.panes()).find(own)?.agent?.runtimeId;
  if (runtimeId === undefined) throw new Error("the agent has no runtime");
  signal(agent.pid, "SIGKILL");
  await scene.untilPanes("it to be gone", (panes) => !panes.some(own));
  return runtimeId;
}
