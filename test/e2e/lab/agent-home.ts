import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { agentBinDir } from "./agent-binaries.js";

/** Accepted by the mock, known to nobody else. */
const DUMMY_API_KEY = "sk-dummy-mock-key-000000000000000000";
const CLAUDE_VERSION = "2.1.330";
/** Claude Code remembers an approved key by its last characters. */
const KEY_SUFFIX_LENGTH = 20;

export interface AgentHomeOptions {
  /** The home is made inside this folder, which the caller owns. */
  readonly parentDir: string;
  /** Folders in which the agent may start without asking for trust. */
  readonly trustedDirs: readonly string[];
  readonly mockUrl: string;
}

export interface AgentHome {
  /** $HOME of the agent. */
  readonly homeDir: string;
  /** ~/.claude or $CODEX_HOME. */
  readonly configDir: string;
  /** The whole environment of the agent's process. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Makes a private home for Claude Code: onboarding done, key approved, folders trusted, manual permission mode,
 * no hooks.
 */
export async function makeClaudeHome(options: AgentHomeOptions): Promise<AgentHome> {
  const homeDir = await mkdtemp(join(options.parentDir, "claude-"));
  const configDir = join(homeDir, ".claude");
  await mkdir(configDir);
  await writeFile(join(homeDir, ".claude.json"), JSON.stringify(claudeState(options.trustedDirs)));
  // Without a default mode this version starts in auto mode, where no permission dialog ever opens.
  const settings = { permissions: { defaultMode: "default" } };
  await writeFile(join(configDir, "settings.json"), JSON.stringify(settings));
  return { homeDir, configDir, env: { ...(await commonEnv(homeDir)), ...claudeEnv(options.mockUrl) } };
}

/** Makes a private home for Codex: mock provider, analytics and notices off, folders trusted, no hooks. */
export async function makeCodexHome(options: AgentHomeOptions): Promise<AgentHome> {
  const homeDir = await mkdtemp(join(options.parentDir, "codex-"));
  const configDir = join(homeDir, ".codex");
  await mkdir(configDir);
  await writeFile(join(configDir, "config.toml"), codexConfig(options));
  const env = { ...(await commonEnv(homeDir)), CODEX_HOME: configDir, MOCK_KEY: DUMMY_API_KEY };
  return { homeDir, configDir, env };
}

function claudeState(trustedDirs: readonly string[]): Record<string, unknown> {
  const projects = trustedDirs.map((dir) => [dir, { hasTrustDialogAccepted: true }] as const);
  return {
    hasCompletedOnboarding: true,
    lastOnboardingVersion: CLAUDE_VERSION,
    hasSeenAutoDefaultNudge: true,
    customApiKeyResponses: { approved: [DUMMY_API_KEY.slice(-KEY_SUFFIX_LENGTH)], rejected: [] },
    projects: Object.fromEntries(projects),
  };
}

function claudeEnv(mockUrl: string): Record<string, string> {
  return {
    ANTHROPIC_BASE_URL: mockUrl,
    ANTHROPIC_API_KEY: DUMMY_API_KEY,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_TELEMETRY: "1",
    DISABLE_AUTOUPDATER: "1",
    DISABLE_ERROR_REPORTING: "1",
  };
}

/** The temp folder is the home's own, so that sockets and caches that agents leave there go with it. */
async function commonEnv(homeDir: string): Promise<Record<string, string>> {
  const tmpDir = join(homeDir, "tmp");
  await mkdir(tmpDir);
  return {
    HOME: homeDir,
    TMPDIR: tmpDir,
    LANG: "C.UTF-8",
    SHELL: "/bin/sh",
    // The Codex launcher is a node script.
    PATH: [agentBinDir, dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(":"),
  };
}

function codexConfig({ mockUrl, trustedDirs }: AgentHomeOptions): string {
  const projects = trustedDirs.map((dir) => `[projects.${JSON.stringify(dir)}]\ntrust_level = "trusted"\n`);
  return `model = "gpt-5.5"
model_provider = "mock"
model_reasoning_effort = "medium"
approval_policy = "on-request"
sandbox_mode = "read-only"
check_for_update_on_startup = false

[model_providers.mock]
name = "Mock"
base_url = "${mockUrl}/v1"
env_key = "MOCK_KEY"
wire_api = "responses"
request_max_retries = 2
stream_max_retries = 2

[analytics]
enabled = false

[features]
default_mode_request_user_input = true

[notice.model_migrations]
"gpt-5.5" = "gpt-6-sol"

[tui]
screen_reader_detection_done = true

[tui.model_availability_nux]
"gpt-6.1-sol" = 4

${projects.join("\n")}`;
}
