import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ActionResult,
  AgentState,
  type AgtmuxError,
  ResultCode,
  toAgtmuxError,
} from "../../src/client/index.js";
import { ActionScene, type BoxAgent, type TargetInit } from "./support/actor.js";
import { agentIn, clean, STATE_NAMES, type StateName } from "./support/states.js";

let lab: ActionScene;
const agents = new Map<StateName, BoxAgent>();
beforeAll(async () => {
  lab = await ActionScene.start();
});
afterAll(() => lab.close());

/** An agent in that state; a new one if time has brought the last one into another. */
async function inState(name: StateName): Promise<{ readonly agent: BoxAgent; readonly promptId: string }> {
  let agent = agents.get(name) ?? (await agentIn(lab, name));
  let pane = await lab.pane(agent.paneId);
  if (pane.agent?.state !== AgentState[name]) {
    agent = await agentIn(lab, name);
    pane = await lab.pane(agent.paneId);
  }
  agents.set(name, agent);
  await clean(agent, name);
  return { agent, promptId: pane.agent?.promptId || "a".repeat(32) };
}

type Call = (target: TargetInit, promptId: string) => Promise<{ readonly result?: ActionResult | undefined }>;

/** Each row of the contract's table: how it is asked for, and the states in which it is done, or is if if_state says so. */
interface TableRow {
  readonly call: Call;
  readonly yes: readonly StateName[];
  readonly ifState?: readonly StateName[];
}

const DIALOGS_AND_UNKNOWN: readonly StateName[] = ["WAITING_APPROVAL", "WAITING_INPUT", "UNKNOWN"];
const NO_DIALOG: readonly StateName[] = ["RUNNING", "COMPLETED", "IDLE", "ERROR"];

const TABLE: Readonly<Record<string, TableRow>> = {
  "send text": {
    call: (target) => actions().send({ target, text: "x" }),
    yes: NO_DIALOG,
    ifState: DIALOGS_AND_UNKNOWN,
  },
  "send text as a paste": {
    call: (target) => actions().send({ target, text: "x", paste: true }),
    yes: NO_DIALOG,
    ifState: DIALOGS_AND_UNKNOWN,
  },
  "send a key that can answer": {
    call: (target) => actions().send({ target, key: "Down" }),
    yes: NO_DIALOG,
    ifState: DIALOGS_AND_UNKNOWN,
  },
  "send a key that can not": { call: (target) => actions().send({ target, key: "PPage" }), yes: STATE_NAMES },
  approve: { call: (target, promptId) => actions().approve({ target, promptId }), yes: ["WAITING_APPROVAL"] },
  deny: { call: (target, promptId) => actions().deny({ target, promptId }), yes: ["WAITING_APPROVAL"] },
  interrupt: {
    call: (target) => actions().interrupt({ target }),
    yes: ["RUNNING", "WAITING_APPROVAL", "WAITING_INPUT"],
  },
  "view-output": { call: (target) => actions().viewOutput({ target }), yes: STATE_NAMES },
  attach: { call: (target) => actions().attach({ target }), yes: STATE_NAMES },
  kill: { call: (target) => actions().kill({ target, confirmed: true }), yes: STATE_NAMES },
};

function actions() {
  return lab.client.actions;
}

/** "done", or the reason of the refusal. */
async function asked(row: TableRow, name: StateName, ifState: readonly StateName[]): Promise<string> {
  const { agent, promptId } = await inState(name);
  const before = agent.received;
  const target = await lab.target(agent, { ifState: ifState.map((each) => AgentState[each]) });
  let error: AgtmuxError;
  try {
    const { result } = await row.call(target, promptId);
    expect(result?.resultCode).toBe(ResultCode.OK);
    return "done";
  } catch (thrown) {
    error = toAgtmuxError(thrown);
  }
  expect([error.codeName, agent.received]).toEqual(["E_PRECONDITION_FAILED", before]);
  if (error.details["reason"] === "state") expect(error.details["state"]).toBe(name.toLowerCase());
  return error.details["reason"] ?? "";
}

/** Of all states at once. */
async function inEach(ask: (name: StateName) => Promise<string>): Promise<Record<string, string>> {
  const answers = await Promise.all(STATE_NAMES.map(async (name) => [name, await ask(name)] as const));
  return Object.fromEntries(answers);
}

function table(cell: (name: StateName) => string): Record<string, string> {
  return Object.fromEntries(STATE_NAMES.map((name) => [name, cell(name)]));
}

describe.each(Object.entries(TABLE))("TC-084 %s", (_what, row) => {
  const opened = (name: StateName): boolean => row.ifState?.includes(name) === true;
  const cell = (name: StateName): string => (row.yes.includes(name) ? "done" : "state");

  it("is done or refused as the table says, for an agent in each state", async () => {
    expect(await inEach((name) => asked(row, name, []))).toEqual(table(cell));
  });

  it("is opened by if_state with exactly that state where the table says so, and nowhere else", async () => {
    const named = await inEach((name) => asked(row, name, [name]));
    expect(named).toEqual(table((name) => (opened(name) ? "done" : cell(name))));
  });

  it("is restricted by if_state where it is done: another state is refused", async () => {
    const other = (name: StateName): StateName => (name === "IDLE" ? "ERROR" : "IDLE");
    expect(await inEach((name) => asked(row, name, [other(name)]))).toEqual(table(() => "if_state"));
  });
});

describe.each(Object.entries(TABLE).filter(([, { ifState }]) => ifState !== undefined))(
  "TC-084 %s",
  (_what, row) => {
    it("is not opened by that state among others", async () => {
      const all = await inEach((name) => asked(row, name, STATE_NAMES));
      expect(all).toEqual(table((name) => (row.yes.includes(name) ? "done" : "state")));
    });
  },
);
