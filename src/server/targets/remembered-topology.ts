import type { LiveRuntime } from "../ingest/live-runtime.js";
import { distinctPanes, NO_SERVER, type Topology } from "../tmux/topology.js";
import type { LinkRow } from "../tmux/topology-row.js";

/**
 * What an earlier daemon life stored of the panes of a target's agents, for a target that cannot be reached since: it
 * shows their rows, and nothing is concluded from it. What was not stored is left empty, the sessions' own rows with it.
 */
export function rememberedTopology(runtimes: Iterable<LiveRuntime>): Topology {
  const records = [...runtimes].map(({ record }) => record);
  const rows: LinkRow[] = records.map((record) => ({
    sessionId: "",
    sessionName: record.session,
    sessionGroup: undefined,
    sessionAttached: 0,
    windowId: record.windowId,
    windowName: "",
    windowIndex: 0,
    windowActive: false,
    windowActivity: 0,
    paneId: record.paneId,
    paneIndex: 0,
    paneActive: false,
    panePid: record.panePid,
    paneTty: "",
    dead: false,
    deadStatus: undefined,
    deadSignal: undefined,
    inMode: false,
    alternateOn: false,
    inputOff: false,
    synchronized: false,
    width: 0,
    height: 0,
    currentCommand: "",
    currentPath: record.cwd,
    title: "",
  }));
  return { ...NO_SERVER, bootId: records[0]?.bootId, rows, panes: distinctPanes(rows) };
}
