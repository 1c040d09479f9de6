import { create } from "@bufbuild/protobuf";
import type { Summary } from "../../../gen/agtmux/v1/common_pb.js";
import { SummarySchema } from "../../../gen/agtmux/v1/common_pb.js";
import { type Pane, type Rollup, RollupSchema } from "../../../gen/agtmux/v1/state_pb.js";
import { type AgentState, comparePrecedence, needsAction } from "../engine/state.js";
import { STATE_TO_WIRE, stateName } from "./rows.js";

function add(counts: Record<string, number>, key: string, by: number): void {
  const next = (counts[key] ?? 0) + by;
  if (next === 0) delete counts[key];
  else counts[key] = next;
}

/** Counts over the panes of one window or session. */
export function rollup(panes: readonly Pane[]): Rollup {
  const byState: Record<string, number> = {};
  const byAgent: Record<string, number> = {};
  const states: AgentState[] = [];
  for (const { agent } of panes) {
    if (agent === undefined) continue;
    const state = stateName(agent.state) ?? "unknown";
    states.push(state);
    add(byState, state, 1);
    add(byAgent, agent.agentType, 1);
  }
  const [top] = [...states].sort(comparePrecedence);
  return create(RollupSchema, {
    ...(top === undefined ? {} : { state: STATE_TO_WIRE[top] }),
    agents: states.length,
    panes: panes.length,
    needsAction: states.filter(needsAction).length,
    waiting: (byState["waiting_approval"] ?? 0) + (byState["waiting_input"] ?? 0),
    running: byState["running"] ?? 0,
    byState,
    byAgent,
  });
}

/** A summary that follows its panes one by one. A pane without an agent counts nothing. */
export class RunningSummary {
  #total = 0;
  readonly #byState: Record<string, number> = {};
  readonly #byAgent: Record<string, number> = {};
  readonly #byTarget: Record<string, number> = {};

  count(pane: Pane, by: 1 | -1): void {
    const { agent } = pane;
    if (agent === undefined) return;
    this.#total += by;
    add(this.#byState, stateName(agent.state) ?? "unknown", by);
    add(this.#byAgent, agent.agentType, by);
    add(this.#byTarget, pane.identity?.target ?? "", by);
  }

  message(): Summary {
    return create(SummarySchema, {
      total: this.#total,
      byState: { ...this.#byState },
      byAgent: { ...this.#byAgent },
      byTarget: { ...this.#byTarget },
    });
  }
}
