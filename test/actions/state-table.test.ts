import { describe, expect, it } from "vitest";
import { type Deed, refusedByState } from "../../src/server/actions/state-table.js";
import type { AgentState } from "../../src/server/engine/state.js";

/** The table of section 9 of the contract, word by word. Columns: */
const COLUMNS: readonly (readonly AgentState[])[] = [
  ["running", "completed", "idle"],
  ["waiting_approval"],
  ["waiting_input"],
  ["error"],
  ["unknown"],
];
const TABLE: readonly (readonly [deeds: readonly Deed[], ...cells: string[]])[] = [
  [
    ["send"],
    "yes",
    "refused unless `if_state` says so",
    "refused unless `if_state` says so",
    "yes, if no dialog is open",
    "refused unless `if_state` says so",
  ],
  [["approve", "deny"], "refused", "yes, pinned by prompt_id", "refused", "refused", "refused"],
  [["interrupt"], "yes (running), else refused", "yes", "yes", "refused", "refused"],
  [["view_output", "attach"], "yes", "yes", "yes", "yes", "yes"],
  [["kill"], "yes", "yes", "yes", "yes", "yes"],
  // Not in the table: a key that cannot answer anything goes everywhere.
  [["send_harmless_key"], "yes", "yes", "yes", "yes", "yes"],
];

const STATES = COLUMNS.flat();

/** Each state that a cell names beside "yes (…)", or none: it stands for all of its column. */
function opens(cell: string, state: AgentState, ifState: readonly AgentState[]): boolean {
  const only = /^yes \((\w+)\), else refused$/u.exec(cell)?.[1];
  if (only !== undefined) return only === state;
  if (cell.startsWith("yes")) return true;
  return cell.includes("if_state") && ifState.length === 1 && ifState[0] === state;
}

const CELLS = TABLE.flatMap(([deeds, ...cells]) =>
  deeds.flatMap((deed) =>
    COLUMNS.flatMap((column, at) => column.map((state) => ({ deed, state, cell: cells[at] ?? "" }))),
  ),
);

describe("TC-084 the table of actions and states", () => {
  it("has a cell for every action and every state", () => {
    expect(CELLS).toHaveLength(8 * 7);
    expect(CELLS.filter(({ cell }) => cell === "")).toEqual([]);
  });

  it.each(CELLS)("$deed of an agent that is $state: $cell", ({ deed, state, cell }) => {
    const named: readonly (readonly AgentState[])[] = [
      [],
      ...STATES.map((one) => [one]),
      [state, state],
      ...STATES.map((one) => [state, one]),
      STATES,
    ];
    for (const ifState of named) {
      const refusal = refusedByState(deed, state, ifState);
      expect([ifState, refusal === undefined]).toEqual([ifState, opens(cell, state, ifState)]);
      if (refusal !== undefined) expect(refusal).toContain(state);
    }
  });

  it("says why, and how to send all the same", () => {
    expect(refusedByState("send", "waiting_input", [])).toBe(
      "the agent is waiting_input: what is sent may answer the dialog that is open; name that state as if_state to send all the same",
    );
    expect(refusedByState("send", "unknown", ["idle"])).toMatch(/what it does is not known/u);
    expect(refusedByState("approve", "idle", ["idle"])).toBe("approve is not for an agent that is idle");
  });
});
