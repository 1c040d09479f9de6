import { type AgentState, needsAction } from "../engine/state.js";
import type { ActionType } from "../store/action-store.js";

/** What an action does to an agent, as far as its state decides whether it may. */
export type Deed = ActionType | "send_harmless_key";

type Cell = "yes" | "no" | "if_state";

const EVERYWHERE: Readonly<Record<AgentState, Cell>> = {
  running: "yes",
  completed: "yes",
  idle: "yes",
  waiting_approval: "yes",
  waiting_input: "yes",
  error: "yes",
  unknown: "yes",
};

const ANSWER: Readonly<Record<AgentState, Cell>> = {
  running: "no",
  completed: "no",
  idle: "no",
  waiting_approval: "yes",
  waiting_input: "no",
  error: "no",
  unknown: "no",
};

/** The table action × state of docs/spec.md section 9. */
export const STATE_TABLE: Readonly<Record<Deed, Readonly<Record<AgentState, Cell>>>> = {
  send: { ...EVERYWHERE, waiting_approval: "if_state", waiting_input: "if_state", unknown: "if_state" },
  send_harmless_key: EVERYWHERE,
  approve: ANSWER,
  deny: ANSWER,
  interrupt: { ...ANSWER, running: "yes", waiting_input: "yes" },
  view_output: EVERYWHERE,
  attach: EVERYWHERE,
  kill: EVERYWHERE,
};

/** Why the table refuses; undefined if it does not. `ifState`: the states that the caller named. */
export function refusedByState(
  deed: Deed,
  state: AgentState,
  ifState: readonly AgentState[],
): string | undefined {
  const cell = STATE_TABLE[deed][state];
  if (cell === "yes") return undefined;
  const verb = deed.replace("send_harmless_key", "send").replace("_", "-");
  if (cell === "no") return `${verb} is not for an agent that is ${state}`;
  if (ifState.length === 1 && ifState[0] === state) return undefined;
  const why = needsAction(state)
    ? "what is sent may answer the dialog that is open"
    : "what it does is not known";
  return `the agent is ${state}: ${why}; name that state as if_state to send all the same`;
}
