import type { Adapter, Process } from "../adapters/contract.js";

/** Looks a process up as it is now; undefined when it is gone. */
interface Processes {
  find(pid: number): Process | undefined;
}

/**
 * The ancestors of a hook, nearest first, that may prove its pane. An agent whose hooks are run by a helper shared by
 * several terminals (`isHelper`) proves nothing above that helper: its parent is whichever terminal started it. The
 * list also ends at the first process that is gone, for that may have been the helper.
 */
export function trustedAncestors(
  adapter: Pick<Adapter, "paneIdUnreliable" | "isHelper">,
  pids: readonly number[],
  table: Processes,
): readonly number[] {
  if (!adapter.paneIdUnreliable) return pids;
  const trusted: number[] = [];
  for (const pid of pids) {
    const process = table.find(pid);
    if (process === undefined || process.state === "Z" || adapter.isHelper?.(process) === true) break;
    trusted.push(pid);
  }
  return trusted;
}
