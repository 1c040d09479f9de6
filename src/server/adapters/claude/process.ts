import type { IdentifiedProcess, PaneProcesses, Process } from "../contract.js";

const EXECUTABLE = /(?:\/claude\/versions\/|\/@anthropic-ai\/claude-code\/)/u;
const VERSION = /^\d+\.\d+\.\d+$/u;

/** A process that is Claude Code itself: by name, or a version-named binary of its own folder (docs of 2.1.330). */
function isClaude(process: Process): boolean {
  const [argv0 = ""] = process.argv;
  const name = argv0.split("/").at(-1) ?? "";
  if (/^claude(?:\.exe)?$/u.test(process.comm) || name === "claude") return true;
  return (VERSION.test(process.comm) || VERSION.test(name)) && EXECUTABLE.test(process.exe || argv0);
}

/** `claude -p`, `claude mcp serve` and the like hold no conversation at the terminal, but do occupy it; they count. */
export function identifyClaude(pane: PaneProcesses): IdentifiedProcess | undefined {
  const outermost = pane.processes.find((process) => isClaude(process));
  if (outermost === undefined) return undefined;
  return { outermost, worker: outermost };
}
