import { readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/**
 * What a process has open, as the kernel names it; sockets and pipes without their numbers. Without what it keeps open
 * for each process that lives on this machine: others come and go meanwhile.
 */
export function openFiles(pid: number | undefined): string[] {
  const folder = `/proc/${pid}/fd`;
  const named = readdirSync(folder).flatMap((file) => {
    try {
      return [readlinkSync(join(folder, file)).replace(/:\[\d+\]$/u, "")];
    } catch {
      return []; // closed since
    }
  });
  return named.filter((name) => !/^\/proc\/\d+\//u.test(name)).sort();
}
