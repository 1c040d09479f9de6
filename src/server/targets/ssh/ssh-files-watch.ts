import { readdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Closable } from "../../adapters/contract.js";

const LOOK_MS = 2_000;
/** Most files of one directory that are looked at. */
const MAX_FILES = 500;

/** The files in which a user would change something after a refused key or host key: all of ~/.ssh, and the agent. */
export function sshFiles(env: NodeJS.ProcessEnv): readonly string[] {
  const given = env["AGTMUX_SSH_CONFIG"];
  return [
    join(env["HOME"] || homedir(), ".ssh"),
    "/etc/ssh",
    ...(given ? [dirname(given)] : []),
    ...(env["SSH_AUTH_SOCK"] ? [env["SSH_AUTH_SOCK"]] : []),
  ];
}

/** Calls back once when one of the files, or a file in one of the directories, has changed. */
export function watchSshFiles(
  paths: readonly string[],
  onChange: () => void,
  lookMs: number = LOOK_MS,
): Closable {
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let before: string | undefined;

  const look = async (): Promise<void> => {
    const now = await signature(paths);
    if (closed) return;
    if (before !== undefined && now !== before) {
      closed = true;
      onChange();
      return;
    }
    before = now;
    timer = setTimeout(() => void look(), lookMs).unref();
  };
  void look();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function signature(paths: readonly string[]): Promise<string> {
  const signs = await Promise.all(
    paths.map(async (path) => {
      const names = await readdir(path).catch(() => []);
      const files = [path, ...names.slice(0, MAX_FILES).map((name) => join(path, name))];
      return Promise.all(files.map(sign));
    }),
  );
  return JSON.stringify(signs);
}

async function sign(path: string): Promise<string> {
  // What is not there, or not ours to see, is a state like any other.
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined ? "" : `${path} ${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.mode}`;
}
