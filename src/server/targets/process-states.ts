import type { Micros } from "../engine/state.js";
import type { GroupCommit } from "../ingest/group-commit.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import { fromDaemon } from "../ingest/native-signals.js";
import type { Logger } from "../log.js";
import { StoreFault } from "../store/fault.js";
import type { ProcessTable } from "./process-table.js";

interface Parts {
  readonly processes: ProcessTable;
  readonly commit: GroupCommit;
  readonly now: () => Micros;
  readonly log: Logger;
}

/**
 * Tells of agents that were stopped or go on, by the process table and without asking tmux. Returns whether an agent's
 * process is gone, so that its target is to be observed.
 */
export function tellProcessStates(runtimes: Iterable<LiveRuntime>, parts: Parts): boolean {
  const { processes, commit, now, log } = parts;
  const events = [];
  let gone = false;
  for (const runtime of runtimes) {
    const { agentPid, agentStartRaw } = runtime.record;
    const state = processes.state(agentPid, agentStartRaw);
    if (state === undefined || state === "Z") {
      gone = true;
      continue;
    }
    const stopped = state === "T";
    if (stopped === (runtime.fold.suspended !== undefined)) continue;
    events.push(
      fromDaemon(runtime, stopped ? "suspended" : "resumed", stopped ? "stopped" : "continued", now()),
    );
  }
  // Not kept when refused: it is seen again while it holds.
  if (events.length === 0 || commit.behind) return gone;
  commit.submit(events).catch((error: unknown) => {
    if (error instanceof StoreFault) return;
    log.error({ error: String(error) }, "process states were not stored");
  });
  return gone;
}
