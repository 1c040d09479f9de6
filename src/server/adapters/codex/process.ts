import type { IdentifiedProcess, PaneProcesses, Process } from "../contract.js";

/** Subcommands that serve other programs: the shared daemon, its updater, an MCP server of another agent. */
const SERVERS = new Set(["app-server", "mcp-server", "exec-server", "pid-update-loop", "stdio-to-uds"]);

function baseName(path: string): string {
  return path.split("/").at(-1) ?? "";
}

function isNative(process: Process): boolean {
  const name = baseName(process.argv[0] ?? "");
  return name === "codex" || (process.argv.length === 0 && process.comm === "codex");
}

/** `node …/bin/codex`, the npm package's launcher. */
function isLauncher(process: Process): boolean {
  const [runtime = "", ...args] = process.argv;
  if (!/^(?:node|nodejs|bun)$/u.test(baseName(runtime))) return false;
  const script = args.find((word) => !word.startsWith("-")) ?? "";
  return baseName(script) === "codex" || /\/@openai\/codex\/.*\.m?js$/u.test(script);
}

function serves(process: Process): boolean {
  // Options with values may stand before the subcommand, so any word counts.
  return process.argv.slice(1).some((word) => SERVERS.has(word));
}

/** The app-server daemon and its companions. They work for every terminal of one CODEX_HOME. */
export function isCodexHelper(process: Process): boolean {
  if (baseName(process.argv[0] ?? "").startsWith("codex-code-mode")) return true;
  if (process.comm.startsWith("codex-code-mode")) return true;
  return (isNative(process) || isLauncher(process)) && serves(process);
}

/**
 * Finds Codex in a pane: the native program, or first its launcher alone. `codex exec` and the like hold no
 * conversation at the terminal, but do occupy it; they count.
 */
export function identifyCodex(pane: PaneProcesses): IdentifiedProcess | undefined {
  const own = pane.processes.filter((process) => !isCodexHelper(process));
  const outermost = own.find((process) => isNative(process) || isLauncher(process));
  if (outermost === undefined) return undefined;
  if (isNative(outermost)) return { outermost, worker: outermost };
  return { outermost, worker: own.find((process) => process.ppid === outermost.pid && isNative(process)) };
}
