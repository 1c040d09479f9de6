import { posix } from "node:path";
import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";

/** What a host's user has set apart; as a hook of that user would find it. */
export interface RemotePlaces {
  readonly home: string;
  readonly stateDir: string;
  readonly scriptPath: string;
  /** Settings that move an agent's configuration, and PATH; those that are set. */
  readonly environment: Readonly<Record<string, string>>;
}

const VARIABLES = ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "PATH"];
// printf for the home: it may be set to anything, and echo would take a part of that for its own.
const QUESTION = `printf '%s\\n' "$HOME" "\${AGTMUX_STATE_DIR:-\${XDG_STATE_HOME:-$HOME/.local/state}/agtmux}" ${VARIABLES.map((name) => `"\${${name}-}"`).join(" ")}`;
const MAX_BYTES = 64 * 1024;
/** Longest name in a state directory's `ingest.d`, with what a Unix socket's path may have besides. */
const MAX_PATH = 1_024;
const UNFIT = /[\u0000-\u001f\u007f]/u;

/** Where our things lie on a host. Rejects with ExecutorError, also when it names no usable folder. */
export async function remotePlaces(shell: HostShell): Promise<RemotePlaces> {
  const { stdout } = await shell.run(QUESTION, { maxBytes: MAX_BYTES });
  const [home = "", stateDir = "", ...values] = stdout.toString("utf8").split("\n");
  for (const path of [home, stateDir]) {
    if (!posix.isAbsolute(path) || path.length > MAX_PATH || UNFIT.test(path) || path.includes("\ufffd")) {
      throw new ExecutorError("protocol", "the host names no home or state directory that can be used");
    }
  }
  const environment: Record<string, string> = {};
  for (const [index, name] of VARIABLES.entries()) {
    const value = values[index] ?? "";
    if (value !== "" && !UNFIT.test(value)) environment[name] = value;
  }
  const normal = posix.normalize(stateDir).replace(/(?<=.)\/$/u, "");
  return { home, stateDir: normal, scriptPath: posix.join(normal, "hooks", "agtmux-hook"), environment };
}
