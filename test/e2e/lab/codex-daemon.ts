import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { asRecord } from "./json-view.js";
import { endsWithin, processArgs } from "./processes.js";

/** A daemon that still has a turn waiting does not end on SIGTERM; its home is thrown away, so it is not waited for. */
const GRACE_MS = 2000;
const STOP_TIMEOUT_MS = 5000;

/** Ends the daemon that a Codex home's first terminal started: it outlives every terminal. */
export async function stopCodexDaemon(codexHome: string): Promise<void> {
  for (const name of ["daemon-updater.pid", "daemon.pid"]) {
    const pid = await readPid(join(codexHome, "app-server-daemon", name));
    if (pid !== undefined) await stopProcessOf(codexHome, pid);
  }
}

async function readPid(path: string): Promise<number | undefined> {
  try {
    const pid = asRecord(JSON.parse(await readFile(path, "utf8")))["pid"];
    return typeof pid === "number" ? pid : undefined;
  } catch (error) {
    if (asRecord(error)["code"] === "ENOENT") return undefined;
    throw error;
  }
}

/** The pid file may be stale: only a process that runs from this home is ended. */
async function stopProcessOf(codexHome: string, pid: number): Promise<void> {
  const signals = [
    { signal: "SIGTERM", waitMs: GRACE_MS },
    { signal: "SIGKILL", waitMs: STOP_TIMEOUT_MS },
  ] as const;
  for (const { signal, waitMs } of signals) {
    const args = await processArgs(pid);
    if (args?.includes(codexHome) !== true) return;
    process.kill(pid, signal);
    if (await endsWithin(pid, waitMs)) return;
  }
  throw new Error(`the Codex daemon ${pid} did not end`);
}
