import { randomBytes } from "node:crypto";
import type { Process } from "../../adapters/contract.js";
import { cleanText } from "../../tmux/text.js";
import { parseArgv } from "../linux-process-table.js";
import { parseStat } from "../process-stat.js";
import type { HostShell } from "../shell/command-channel.js";

const MAX_PIDS = 64;
const PART_BYTES = 4_096;

/** Processes of a host as they are now; whichever is gone is left out. Rejects with ExecutorError. */
export async function lookUpProcesses(
  shell: HostShell,
  pids: readonly number[],
): Promise<ReadonlyMap<number, Process>> {
  const asked = [...new Set(pids)].filter(Number.isSafeInteger).slice(0, MAX_PIDS);
  if (asked.length === 0) return new Map();
  const separator = randomBytes(8).toString("hex");
  const part = (command: string): string => `${command}; printf %s ${separator}`;
  const parts = [
    part('cat "/proc/$agtmux_p/stat"'),
    part(`head -c ${PART_BYTES} "/proc/$agtmux_p/cmdline"`),
    part('readlink "/proc/$agtmux_p/exe"'),
  ];
  const { stdout } = await shell.run(
    `for agtmux_p in ${asked.join(" ")}; do ${parts.join("; ")}; done 2>/dev/null`,
    { maxBytes: asked.length * 4 * PART_BYTES },
  );
  const texts = stdout.toString("utf8").split(separator);
  const found = new Map<number, Process>();
  for (const [index, pid] of asked.entries()) {
    const [stat = "", argv = "", exe = ""] = texts.slice(3 * index, 3 * index + 3);
    const parsed = parseStat(stat);
    if (parsed?.pid !== pid) continue;
    const { image: _, comm, ...rest } = parsed;
    const program = cleanText(exe, PART_BYTES).replace(/ \(deleted\)$/u, "");
    found.set(pid, { ...rest, comm: cleanText(comm, 64), argv: parseArgv(argv), exe: program });
  }
  return found;
}
