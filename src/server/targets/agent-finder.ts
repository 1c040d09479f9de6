import type { AnyAdapter, PaneProcesses, Process } from "../adapters/contract.js";

/** An agent found in the foreground of a pane's terminal. */
export interface FoundAgent {
  readonly adapter: AnyAdapter;
  /** The process that does the work; the launcher while there is no other. */
  readonly process: Process;
  readonly launcher?: Process | undefined;
  /** Only the launcher is there yet. */
  readonly launching: boolean;
}

/**
 * The outermost agent among the processes of the terminal's foreground group; undefined if there is none. What does not
 * come from the pane's own process is an orphan of an agent that was killed: it looks like one until it is gone too.
 */
export function findAgent(pane: PaneProcesses, adapters: readonly AnyAdapter[]): FoundAgent | undefined {
  const own = descendants(pane);
  const processes = pane.processes.filter(
    (process) => own.has(process.pid) && process.tty !== 0 && process.pgid === process.tpgid,
  );
  const foreground: PaneProcesses = { panePid: pane.panePid, processes };
  let outermost: { depth: number; found: FoundAgent } | undefined;
  for (const adapter of adapters) {
    const identified = adapter.identifyProcess(foreground);
    if (identified === undefined) continue;
    // Parents come before children, so the lower index is the outer process.
    const depth = processes.indexOf(identified.outermost);
    if (outermost !== undefined && outermost.depth <= depth) continue;
    const { worker } = identified;
    const launcher = worker === identified.outermost ? undefined : identified.outermost;
    const process = worker ?? identified.outermost;
    outermost = { depth, found: { adapter, process, launcher, launching: worker === undefined } };
  }
  return outermost?.found;
}

/** The pane's first process and all that it has started, by pid. */
function descendants({ panePid, processes }: PaneProcesses): Set<number> {
  const children = Map.groupBy(processes, ({ ppid }) => ppid);
  const found = new Set([panePid]);
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child.pid);
  return found;
}
