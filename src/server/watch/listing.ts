import { create } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { AgentState } from "../../../gen/agtmux/v1/common_pb.js";
import {
  type Pane,
  type Rollup,
  type Session,
  SessionGrouping,
  SessionSchema,
  type Sort,
  SortKey,
  type Window,
} from "../../../gen/agtmux/v1/state_pb.js";
import { invalidArgument } from "../contract-error.js";
import { RunningSummary } from "./rollup.js";

/** What a row offers to sort by; an absent value sorts last, whatever the direction. */
interface SortFacts {
  readonly identity: readonly (string | number)[];
  readonly state?: AgentState | undefined;
  readonly since?: Timestamp | undefined;
  readonly updatedAt?: Timestamp | undefined;
  readonly agent?: string | undefined;
}

function compareWords(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? "", b[i] ?? ""];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function nanos(time: Timestamp | undefined): bigint | undefined {
  return time === undefined ? undefined : time.seconds * 1_000_000_000n + BigInt(time.nanos);
}

function keyOf(facts: SortFacts, key: SortKey): string | number | bigint | undefined {
  switch (key) {
    case SortKey.STATE:
      // The wire numbers of the states are in the order of precedence, lowest first.
      return facts.state === undefined || facts.state === AgentState.UNSPECIFIED ? undefined : -facts.state;
    case SortKey.SINCE:
      return nanos(facts.since);
    case SortKey.UPDATED_AT:
      return nanos(facts.updatedAt);
    case SortKey.AGENT:
      return facts.agent;
    default:
      return undefined;
  }
}

/** Total and stable: ties are broken by identity. Throws ContractError E_INVALID_ARGUMENT on an unknown key. */
function sorted<T>(rows: readonly T[], sort: Sort | undefined, factsOf: (row: T) => SortFacts): T[] {
  const key = sort?.key ?? SortKey.UNSPECIFIED;
  if (SortKey[key] === undefined) throw invalidArgument("sort.key", "no such key");
  const direction = sort?.descending === true ? -1 : 1;
  const byIdentity = key === SortKey.UNSPECIFIED || key === SortKey.IDENTITY;
  return rows
    .map((row) => ({ row, facts: factsOf(row) }))
    .sort((a, b) => {
      const identity = compareWords(a.facts.identity, b.facts.identity);
      if (byIdentity) return direction * identity;
      const [x, y] = [keyOf(a.facts, key), keyOf(b.facts, key)];
      if (x === y) return identity;
      if (x === undefined) return 1;
      if (y === undefined) return -1;
      return direction * (x < y ? -1 : 1);
    })
    .map(({ row }) => row);
}

export function sortPanes(panes: readonly Pane[], sort: Sort | undefined): Pane[] {
  return sorted(panes, sort, ({ identity, windowIndex, paneIndex, agent }) => ({
    identity: [
      identity?.target ?? "",
      identity?.sessionName ?? "",
      windowIndex,
      paneIndex,
      identity?.paneId ?? "",
      agent?.runtimeId ?? "",
    ],
    state: agent?.state,
    since: agent?.since,
    updatedAt: agent?.updatedAt,
    agent: agent?.agentType,
  }));
}

export function sortWindows(windows: readonly Window[], sort: Sort | undefined): Window[] {
  return sorted(windows, sort, ({ identity, windowIndex, rollup }) => ({
    identity: [identity?.target ?? "", identity?.sessionName ?? "", windowIndex, identity?.windowId ?? ""],
    state: rollup?.state,
  }));
}

export function sortSessions(sessions: readonly Session[], sort: Sort | undefined): Session[] {
  return sorted(sessions, sort, ({ identity, rollup }) => ({
    identity: [identity?.target ?? "", identity?.sessionName ?? ""],
    state: rollup?.state,
  }));
}

export function summarize(panes: readonly Pane[]) {
  const summary = new RunningSummary();
  for (const pane of panes) summary.count(pane, 1);
  return summary.message();
}

/** Merges sessions of one name across targets when asked, each row then with its breakdown. */
export function groupSessions(sessions: readonly Session[], grouping: SessionGrouping): Session[] {
  if (SessionGrouping[grouping] === undefined) throw invalidArgument("grouping", "no such grouping");
  if (grouping !== SessionGrouping.SESSION_NAME) return [...sessions];
  const byName = Map.groupBy(sessions, (session) => session.identity?.sessionName ?? "");
  return [...byName].map(([sessionName, group]) =>
    create(SessionSchema, {
      identity: { target: "", sessionName },
      windows: group.reduce((sum, session) => sum + session.windows, 0),
      attached: group.reduce((sum, session) => sum + session.attached, 0),
      rollup: sum(group.flatMap((session) => session.rollup ?? [])),
      parts: group.map((session) => ({
        target: session.identity?.target ?? "",
        sessionId: session.sessionId,
        ...(session.rollup === undefined ? {} : { rollup: session.rollup }),
      })),
    }),
  );
}

function sum(rollups: readonly Rollup[]): Omit<Rollup, "$typeName"> {
  const total = { agents: 0, panes: 0, needsAction: 0, waiting: 0, running: 0 };
  const byState: Record<string, number> = {};
  const byAgent: Record<string, number> = {};
  let state = AgentState.UNSPECIFIED;
  for (const rollup of rollups) {
    total.agents += rollup.agents;
    total.panes += rollup.panes;
    total.needsAction += rollup.needsAction;
    total.waiting += rollup.waiting;
    total.running += rollup.running;
    for (const [key, count] of Object.entries(rollup.byState)) byState[key] = (byState[key] ?? 0) + count;
    for (const [key, count] of Object.entries(rollup.byAgent)) byAgent[key] = (byAgent[key] ?? 0) + count;
    // The wire numbers of the states are in the order of precedence.
    state = Math.max(state, rollup.state);
  }
  return { ...total, byState, byAgent, state };
}
