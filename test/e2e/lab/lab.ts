import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { agentCommandPath, requireAgents } from "./agent-binaries.js";
import { AgentDriver, type AgentProfile } from "./agent-driver.js";
import { type AgentHome, makeClaudeHome, makeCodexHome } from "./agent-home.js";
import { claudeProfile, codexProfile } from "./agent-profiles.js";
import { stopCodexDaemon } from "./codex-daemon.js";
import { MockModel, type MockModelOptions } from "./mock-model.js";
import { Terminal } from "./terminal.js";

/** Includes the copy of the Codex program that a fresh home's first start makes. */
const START_TIMEOUT_MS = 45_000;
const SHELL_PROMPT = "lab$ ";

export interface StartOptions {
  /** Name of the tmux session to make. */
  readonly session: string;
  /** Type the command into a shell instead of running it as the pane's own process. */
  readonly shell?: boolean;
  readonly args?: readonly string[];
  /** A folder below the lab's work folder or the work folder itself, which is the default. */
  readonly cwd?: string;
  /** Share the home of an earlier agent: two Codex terminals on one home share one daemon. */
  readonly home?: AgentHome;
  /** Called with the home before the agent starts, for instance to install hooks there. */
  readonly prepareHome?: (home: AgentHome) => Promise<void>;
  readonly width?: number;
  readonly height?: number;
}

export type LabOptions = Pick<MockModelOptions, "slowWords" | "slowPauseMs">;

/** Real agents in a private tmux server against a mock model. Nothing in it reaches beyond this machine. */
export class Lab {
  readonly mock: MockModel;
  readonly terminal: Terminal;
  /** A trusted, empty folder. */
  readonly workDir: string;
  readonly #rootDir: string;
  readonly #codexHomes = new Set<string>();

  private constructor(parts: { rootDir: string; workDir: string; mock: MockModel; terminal: Terminal }) {
    this.#rootDir = parts.rootDir;
    this.workDir = parts.workDir;
    this.mock = parts.mock;
    this.terminal = parts.terminal;
  }

  /** @internal Use {@link startLab}. */
  static async start(options: LabOptions): Promise<Lab> {
    await requireAgents();
    const rootDir = await realpath(await mkdtemp(join(tmpdir(), "agtmux-lab-")));
    const workDir = join(rootDir, "work");
    await mkdir(workDir);
    const mock = await MockModel.start({ ...options, workDir });
    try {
      return new Lab({ rootDir, workDir, mock, terminal: await Terminal.start(rootDir) });
    } catch (error) {
      await mock.close();
      throw error;
    }
  }

  /** Starts Claude Code; resolves when it takes a prompt. */
  async startClaude(options: StartOptions): Promise<AgentDriver> {
    const home = options.home ?? (await makeClaudeHome(this.#homeOptions(options)));
    return this.#start(claudeProfile, home, options);
  }

  /** Starts Codex; resolves when it takes a prompt, which in the default mode is when its daemon is up. */
  async startCodex(options: StartOptions): Promise<AgentDriver> {
    const home = options.home ?? (await makeCodexHome(this.#homeOptions(options)));
    this.#codexHomes.add(home.configDir);
    return this.#start(codexProfile, home, options);
  }

  /** Ends every process of the lab and removes its folder. */
  async close(): Promise<void> {
    await this.terminal.close();
    for (const codexHome of this.#codexHomes) await stopCodexDaemon(codexHome);
    await this.mock.close();
    // A program that was just hung up may still write its last file.
    await rm(this.#rootDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }

  #homeOptions(options: StartOptions): {
    parentDir: string;
    trustedDirs: readonly string[];
    mockUrl: string;
  } {
    const trustedDirs = [...new Set([this.workDir, options.cwd ?? this.workDir])];
    return { parentDir: this.#rootDir, trustedDirs, mockUrl: this.mock.url };
  }

  async #start(profile: AgentProfile, home: AgentHome, options: StartOptions): Promise<AgentDriver> {
    await options.prepareHome?.(home);
    const words = [agentCommandPath(profile.command), ...(options.args ?? [])];
    const startedAtMs = Date.now();
    const paneId = await this.#newPane(words, home, options);
    const { session } = options;
    const driver = new AgentDriver({ terminal: this.terminal, profile, session, paneId, home, startedAtMs });
    await driver.waitReady(START_TIMEOUT_MS);
    return driver;
  }

  async #newPane(words: readonly string[], home: AgentHome, options: StartOptions): Promise<string> {
    const { session, cwd = this.workDir, width = 120, height = 40 } = options;
    const place = { cwd, width, height, env: home.env };
    if (options.shell !== true) return this.terminal.newSession(session, { ...place, command: words });
    const env = { ...home.env, PS1: SHELL_PROMPT };
    const command = ["bash", "--norc", "--noprofile", "-i"];
    const paneId = await this.terminal.newSession(session, { ...place, env, command });
    await this.terminal.waitForScreen(paneId, /^lab\$/m, START_TIMEOUT_MS);
    // The bare command name, found through PATH, is what a person types.
    await this.terminal.sendLine(paneId, [basename(words[0] ?? ""), ...words.slice(1)].join(" "));
    return paneId;
  }
}

/**
 * Starts the lab. The caller owns it and must close it.
 * @throws when the agents are not installed; the error names the command that installs them.
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  return Lab.start(options);
}
