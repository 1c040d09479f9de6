import { execFileSync } from "node:child_process";
import { arch, availableParallelism, cpus, loadavg, release, totalmem, type } from "node:os";

/** A program's answer in one line; undefined where it is missing or refuses. */
function said(command: string, ...words: string[]): string | undefined {
  try {
    const text = execFileSync(command, words, {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return text.trim().split("\n")[0];
  } catch {
    return undefined;
  }
}

/** What a figure must be read with. */
export function machineFacts() {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? "unknown",
    memoryMb: Math.round(totalmem() / 1_000_000),
    kernel: `${type()} ${release()} ${arch()}`,
    node: process.version,
    tmux: said("tmux", "-V"),
    curl: said("curl", "--version"),
  };
}

/** The commit that is measured, with `+` if the tree differs from it; undefined outside a git checkout. */
export function commit(): string | undefined {
  const head = said("git", "rev-parse", "HEAD");
  if (head === undefined) return undefined;
  return said("git", "status", "--porcelain") === "" ? head : `${head}+`;
}

/** Runnable processes over the last minute: on a quiet machine well below 1 when a run begins. */
export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}
