import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Outcome, ResultCode } from "../../src/client/index.js";
import { FaultyStore } from "../daemon/support/faulty-store.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { ActionScene, type BoxAgent, refusal, type TargetInit } from "./support/actor.js";

const REFUSE = "PRAGMA query_only = ON";
const ALLOW = "PRAGMA query_only = OFF";

let store: FaultyStore;
let lab: ActionScene;
let agent: BoxAgent;
beforeEach(async () => {
  store = await FaultyStore.start();
  lab = ActionScene.of(store.scene);
  agent = await lab.agent();
});
afterEach(() => store.close());

interface Row {
  readonly status: string;
  readonly result_code: string;
}

/** What is on disk of a request; undefined if nothing is. */
function onDisk(requestRef: string | undefined): Row | undefined {
  const db = new SqliteDatabase(store.database, { readonly: true });
  try {
    return db
      .prepare<[string], Row>("SELECT status, result_code FROM actions WHERE request_ref = ?")
      .get(requestRef ?? "");
  } finally {
    db.close();
  }
}

async function eventsOf(actionId: string | undefined): Promise<string[]> {
  const { events } = await lab.client.events.listEvents({ filter: { actionId: actionId ?? "none" } });
  return events.map(({ eventType }) => eventType).toReversed();
}

const send = (target: TargetInit) => lab.client.actions.send({ target, text: "faulty", enter: true });

/** The store takes writes again, and lets them through. */
async function recovered(): Promise<void> {
  await store.door(ALLOW);
  await store.untilTrouble(undefined);
}

describe("an action on a store that refuses", () => {
  it.each([
    ["read-only", REFUSE, "E_RESOURCE_EXHAUSTED", "read_only"],
    ["full", "fill", "E_RESOURCE_EXHAUSTED", "disk_full"],
  ])(
    "TC-053 to plan it, because it is %s, sends nothing, says so, and goes through later under the same request_ref",
    async (_why, fault, code, cause) => {
      await store.door(fault);
      // A full disk may have room for one more, or for its plan.
      const refused = await eventually("a refusal to plan", async () => {
        const target = await lab.target(agent);
        const before = agent.received;
        const error = await refusal(lab.client.actions.send({ target, key: "Up" })).catch(() => undefined);
        if (error !== undefined) expect(agent.received).toBe(before);
        return error?.details["action_id"] === undefined ? error && { error, target, before } : undefined;
      });
      expect([refused.error.codeName, refused.error.retryable]).toEqual([code, true]);
      expect(refused.error.details).toMatchObject({ cause });
      expect([agent.received, onDisk(refused.target.requestRef)]).toEqual([refused.before, undefined]);
      await store.door(fault === "fill" ? "free" : ALLOW);
      await eventually("it to go through", () =>
        lab.client.actions.send({ target: refused.target, key: "Up" }).catch(() => undefined),
      );
      expect(agent.received).toBe(`${refused.before}\u001b[A`);
    },
  );

  it("TC-052 to plan it, because another program holds the lock, sends nothing and can be tried again", async () => {
    const target = await lab.target(agent);
    const other = new SqliteDatabase(store.database);
    other.exec("BEGIN IMMEDIATE");
    const error = await refusal(send(target));
    expect([error.codeName, error.retryable, error.details["cause"]]).toEqual([
      "E_TIMEOUT",
      true,
      "store_locked",
    ]);
    expect(agent.received).toBe("");
    other.exec("ROLLBACK");
    other.close();
    await eventually("it to go through", () => send(target).catch(() => undefined));
    expect(agent.submitted).toEqual(["faulty"]);
  });

  it("to begin it sends nothing, and is a refusal that every replay gives, then and afterwards", async () => {
    // C-c is waited upon for 3 s; whoever comes next is planned and waits for its turn.
    const first = lab.client.actions.kill({ target: await lab.target(agent), confirmed: true });
    await eventually("it to be on its way", () => agent.received === "\u0003");
    const target = await lab.target(agent);
    const second = refusal(send(target));
    await eventually("it to be planned", () => onDisk(target.requestRef)?.status === "planned");
    await store.door(REFUSE);
    const error = await second;
    expect([error.codeName, error.details["cause"], error.details["result_code"]]).toEqual([
      "E_RESOURCE_EXHAUSTED",
      "read_only",
      "refused",
    ]);
    expect((await first).ended).toBe(Outcome.NO);
    const again = await refusal(send(target));
    expect([again.code, again.message, again.details]).toEqual([error.code, error.message, error.details]);
    await recovered();
    await eventually("it to be on disk", () => onDisk(target.requestRef)?.result_code === "refused");
    expect((await refusal(send(target))).details).toEqual(error.details);
    expect(await eventsOf(error.details["action_id"])).toEqual(["action.send.refused"]);
    expect(agent.received).toBe("\u0003");
  });

  /** Has a send done whose result the store does not take. */
  async function unstored(): Promise<{ target: TargetInit; answer: Awaited<ReturnType<typeof send>> }> {
    // What does not show is waited for, for 1.5 s, which may be too short for the door.
    return eventually("a result that is not stored", async () => {
      await store.door(ALLOW);
      await agent.show({ mute: true, draft: "" });
      const target = await lab.target(agent);
      const before = agent.times("faulty");
      const call = send(target);
      await eventually("the text to arrive", () => agent.times("faulty") > before);
      await store.door(REFUSE);
      const answer = await call;
      return onDisk(target.requestRef)?.status === "started" ? { target, answer } : undefined;
    });
  }

  it("TC-025 its result tells the caller and every replay the truth, and has it on disk when it takes writes again", async () => {
    const { target, answer } = await unstored();
    expect(answer).toMatchObject({
      submitted: Outcome.NO,
      result: { resultCode: ResultCode.OK, replayed: false },
    });
    expect(onDisk(target.requestRef)).toEqual({ status: "started", result_code: "" });
    const replay = { ...answer, result: { ...answer.result, replayed: true } };
    expect(await send(target)).toEqual(replay);
    await recovered();
    // By itself: nobody asks for another action.
    await eventually("it to be on disk", () => onDisk(target.requestRef)?.status === "done");
    expect(onDisk(target.requestRef)).toEqual({ status: "done", result_code: "ok" });
    expect(await send(target)).toEqual(replay);
    expect(await eventsOf(answer.result?.actionId)).toEqual(["action.send.begun", "action.send.ok"]);
    const times = agent.times("faulty");
    await store.scene.daemon.end("SIGKILL");
    Object.assign(store.scene, { daemon: await TestDaemon.start({ stateDir: store.root }) });
    expect(await send(target)).toEqual(replay);
    expect(agent.times("faulty")).toBe(times);
  });

  it("TC-025 its result and is killed before it takes writes again does not know it in the next life, and does nothing", async () => {
    const { target, answer } = await unstored();
    expect(answer.result?.resultCode).toBe(ResultCode.OK);
    const times = agent.times("faulty");
    await store.scene.daemon.end("SIGKILL");
    Object.assign(store.scene, { daemon: await TestDaemon.start({ stateDir: store.root }) });
    const later = await send(target);
    expect(later.result).toMatchObject({ resultCode: ResultCode.RESULT_UNKNOWN, replayed: true });
    expect(later.result?.actionId).toBe(answer.result?.actionId);
    expect(agent.times("faulty")).toBe(times);
  });
});
