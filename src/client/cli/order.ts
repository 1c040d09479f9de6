import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AgentState } from "../../../gen/agtmux/v1/common_pb.js";
import type { Pane, Session, Window } from "../../../gen/agtmux/v1/state_pb.js";
import { STATES_BY_PRECEDENCE } from "./words.js";

const RANK = new Map(STATES_BY_PRECEDENCE.map((state, index) => [state, index]));

/** What asks for the user first, then by precedence; things without an agent last. */
function rank(state: AgentState | undefined): number {
  if (state === undefined || state === AgentState.UNSPECIFIED) return RANK.size + 1;
  return RANK.get(state) ?? RANK.size;
}

function byText(a: string | undefined, b: string | undefined): number {
  const left = a ?? "";
  const right = b ?? "";
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The default order of tables: what needs the user first, and of one state what has waited longest first. */
export function comparePanes(a: Pane, b: Pane): number {
  const since = (pane: Pane) => (pane.agent?.since === undefined ? 0 : timestampMs(pane.agent.since));
  return (
    rank(a.agent?.state) - rank(b.agent?.state) ||
    since(a) - since(b) ||
    byText(a.identity?.target, b.identity?.target) ||
    byText(a.identity?.sessionName, b.identity?.sessionName) ||
    a.windowIndex - b.windowIndex ||
    a.paneIndex - b.paneIndex ||
    byText(a.identity?.paneId, b.identity?.paneId)
  );
}

export function compareWindows(a: Window, b: Window): number {
  return (
    rank(a.rollup?.state) - rank(b.rollup?.state) ||
    byText(a.identity?.target, b.identity?.target) ||
    byText(a.identity?.sessionName, b.identity?.sessionName) ||
    a.windowIndex - b.windowIndex ||
    byText(a.identity?.windowId, b.identity?.windowId)
  );
}

export function compareSessions(a: Session, b: Session): number {
  return (
    rank(a.rollup?.state) - rank(b.rollup?.state) ||
    byText(a.identity?.target, b.identity?.target) ||
    byText(a.identity?.sessionName, b.identity?.sessionName)
  );
}
