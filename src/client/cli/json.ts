import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  ErrorCode,
  type Observation,
  type PaneIdentity,
  type SessionIdentity,
  type Summary,
  type TargetError,
  type WindowIdentity,
} from "../../../gen/agtmux/v1/common_pb.js";
import type {
  AgentStatus,
  Filter,
  ListPanesResponse,
  ListSessionsResponse,
  ListWindowsResponse,
  Pane,
  Rollup,
  Session,
  Window,
} from "../../../gen/agtmux/v1/state_pb.js";
import { printable, printableLines } from "./printable.js";
import { confidenceWord, rfc3339, sourceWord, stateWord } from "./words.js";

/** A JSON object of docs/spec.md section 10. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A fact that may be absent: as an object to spread, empty when there is nothing to tell. */
export function fact(name: string, value: string | number | undefined): JsonObject {
  return value === undefined || value === "" ? {} : { [name]: value };
}

export function time(name: string, value: Timestamp | undefined): JsonObject {
  return value === undefined ? {} : { [name]: rfc3339(value) };
}

export function paneIdentityJson(identity: PaneIdentity | undefined): JsonObject {
  return {
    target: identity?.target ?? "",
    session_name: identity?.sessionName ?? "",
    window_id: identity?.windowId ?? "",
    pane_id: identity?.paneId ?? "",
  };
}

export function windowIdentityJson(identity: WindowIdentity | undefined): JsonObject {
  return {
    target: identity?.target ?? "",
    session_name: identity?.sessionName ?? "",
    window_id: identity?.windowId ?? "",
  };
}

/** Without `target` in a row that merges sessions of one name across targets. */
export function sessionIdentityJson(identity: SessionIdentity | undefined): JsonObject {
  return { ...fact("target", identity?.target), session_name: identity?.sessionName ?? "" };
}

function observationJson(
  observation: Observation | undefined,
  observedAt: Timestamp | undefined,
): JsonObject {
  const at = time("observed_at", observation?.observedAt ?? observedAt);
  if (observation?.runtimeId) {
    const { runtimeId, stateVersion } = observation;
    return { runtime_id: runtimeId, state_version: Number(stateVersion), ...at };
  }
  const { bootId = "", paneId = "", panePid = 0n } = observation ?? {};
  return { boot_id: bootId, pane_id: paneId, pane_pid: Number(panePid), ...at };
}

function agentJson(agent: AgentStatus): JsonObject {
  return {
    runtime_id: agent.runtimeId,
    agent_type: agent.agentType,
    ...fact("agent_pid", agent.agentPid === undefined ? undefined : Number(agent.agentPid)),
    ...fact("agent_session_id", printable(agent.agentSessionId)),
    state: stateWord(agent.state),
    reason_code: agent.reasonCode,
    confidence: confidenceWord(agent.confidence),
    source: sourceWord(agent.source),
    ...fact("channel", agent.channel),
    state_version: Number(agent.stateVersion),
    ...time("since", agent.since),
    ...time("updated_at", agent.updatedAt),
    needs_action: agent.needsAction,
  };
}

function endJson(agent: AgentStatus): JsonObject {
  return {
    ...time("ended_at", agent.endedAt),
    ...fact("end_reason", agent.endReason),
    ...fact("exit_status", agent.exitStatus),
  };
}

/** One pane. `observedAt` is the answer's or message's own time, for an observation that has none. */
export function paneJson(pane: Pane, observedAt: Timestamp | undefined): JsonObject {
  const { agent } = pane;
  return {
    identity: paneIdentityJson(pane.identity),
    also_in: pane.alsoIn,
    ref: pane.ref,
    ...(agent === undefined ? {} : agentJson(agent)),
    observation: observationJson(pane.observation, observedAt),
    ...fact("prompt_id", agent?.promptId),
    ...fact("prompt_text", printableLines(agent?.promptText ?? "")),
    ...(agent === undefined ? {} : endJson(agent)),
    window_name: printable(pane.windowName),
    window_index: pane.windowIndex,
    pane_index: pane.paneIndex,
    pane_pid: Number(pane.panePid),
    current_command: printable(pane.currentCommand),
    title: printable(pane.title),
    cwd: printable(pane.cwd),
  };
}

function rollupJson(rollup: Rollup | undefined): JsonObject {
  return {
    ...fact("state", rollup === undefined ? "" : stateWord(rollup.state)),
    agents: rollup?.agents ?? 0,
    panes: rollup?.panes ?? 0,
    needs_action: rollup?.needsAction ?? 0,
    waiting: rollup?.waiting ?? 0,
    running: rollup?.running ?? 0,
    by_state: rollup?.byState ?? {},
    by_agent: rollup?.byAgent ?? {},
  };
}

export function windowJson(window: Window): JsonObject {
  return {
    identity: windowIdentityJson(window.identity),
    window_name: printable(window.windowName),
    window_index: window.windowIndex,
    rollup: rollupJson(window.rollup),
  };
}

export function sessionJson(session: Session): JsonObject {
  const parts = session.parts.map((part) => ({
    target: part.target,
    session_id: part.sessionId,
    rollup: rollupJson(part.rollup),
  }));
  return {
    identity: sessionIdentityJson(session.identity),
    ...fact("session_id", session.sessionId),
    windows: session.windows,
    attached: session.attached,
    rollup: rollupJson(session.rollup),
    ...(parts.length === 0 ? {} : { parts }),
  };
}

/** The filter that was applied; parts that let everything through are left out. */
export function filtersJson(filter: Filter | undefined): JsonObject {
  if (filter === undefined) return {};
  const list = (name: string, values: readonly string[]) => (values.length === 0 ? {} : { [name]: values });
  return {
    ...list("targets", filter.targets),
    ...list("target_sessions", filter.targetSessions),
    ...list("sessions", filter.sessions),
    ...list("states", filter.states.map(stateWord)),
    ...list("agents", filter.agents),
    ...(filter.needsAction === undefined ? {} : { needs_action: filter.needsAction }),
    ...(filter.includePlain ? { include_plain: true } : {}),
  };
}

export function summaryJson(summary: Summary | undefined): JsonObject {
  return {
    total: summary?.total ?? 0,
    by_state: summary?.byState ?? {},
    by_agent: summary?.byAgent ?? {},
    by_target: summary?.byTarget ?? {},
  };
}

export function targetErrorJson(error: TargetError): JsonObject {
  return {
    target: error.target,
    code: ErrorCode[error.code] ?? `E_${error.code}`,
    message: printable(error.message),
    ...time("last_ok_at", error.lastOkAt),
  };
}

type Listing = ListPanesResponse | ListWindowsResponse | ListSessionsResponse;

function listingJson(listing: Listing, items: readonly JsonObject[]): JsonObject {
  return {
    schema_version: listing.schemaVersion,
    ...time("generated_at", listing.generatedAt),
    filters: filtersJson(listing.filter),
    partial: listing.partial,
    requested_targets: listing.requestedTargets,
    responded_targets: listing.respondedTargets,
    target_errors: listing.targetErrors.map(targetErrorJson),
    summary: summaryJson(listing.summary),
    items,
  };
}

export function panesJson(listing: ListPanesResponse): JsonObject {
  return listingJson(
    listing,
    listing.panes.map((pane) => paneJson(pane, listing.generatedAt)),
  );
}

export function windowsJson(listing: ListWindowsResponse): JsonObject {
  return listingJson(listing, listing.windows.map(windowJson));
}

export function sessionsJson(listing: ListSessionsResponse): JsonObject {
  return listingJson(listing, listing.sessions.map(sessionJson));
}
