import { randomUUID } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Action,
  type ActionResult,
  AgentState,
  ErrorCode,
  type Event,
  ResultCode,
  SignalSource,
} from "../../src/client/index.js";
import { eventually } from "../support/daemon.js";
import { ActionScene, type BoxAgent, lookedAgo, refusal } from "./support/actor.js";

let lab: ActionScene;
let agent: BoxAgent;
beforeAll(async () => {
  lab = await ActionScene.start();
  agent = await lab.agent();
});
afterAll(() => lab.close());

async function eventsOf(actionId: string): Promise<Event[]> {
  const { events } = await lab.client.events.listEvents({ filter: { actionId } });
  return events.toReversed();
}

const typesOf = async (actionId: string): Promise<string[]> =>
  (await eventsOf(actionId)).map(({ eventType }) => eventType);

const idOf = ({ result }: { readonly result?: ActionResult | undefined }): string => result?.actionId ?? "";

async function read(actionId: string): Promise<Action> {
  const { action } = await lab.client.actions.getAction({ actionId });
  if (action === undefined) throw new Error("it is there");
  return action;
}

describe("TC-031 the events of an action", () => {
  it("say that it was begun and what came of it, are found by its id, and belong to its agent", async () => {
    const { actions } = lab.client;
    const pane = await lab.pane(agent.paneId);
    const asked = {
      send: await lab.send(agent, { text: "x", enter: true }),
      kill: await actions.kill({ target: await lab.target(agent), confirmed: true }),
    };
    for (const [type, answer] of Object.entries(asked)) {
      const events = await eventsOf(idOf(answer));
      expect(events.map(({ eventType }) => eventType)).toEqual([`action.${type}.begun`, `action.${type}.ok`]);
      for (const event of events) {
        expect(event).toMatchObject({
          actionId: idOf(answer),
          runtimeId: pane.agent?.runtimeId,
          source: SignalSource.ACTION,
          agentType: "claude",
          transition: "",
          attributes: {},
        });
      }
    }
    expect(await typesOf(idOf(await actions.viewOutput({ target: await lab.target(agent) })))).toEqual([
      "action.view_output.ok",
    ]);
    expect(await typesOf(idOf(await actions.attach({ target: await lab.target(agent) })))).toEqual([
      "action.attach.ok",
    ]);
  });

  it("say of a refusal that it was refused, and that nothing was begun", async () => {
    const target = lookedAgo(await lab.target(agent), 31);
    const error = await refusal(lab.client.actions.send({ target, text: "x" }));
    expect(await typesOf(error.details["action_id"] ?? "")).toEqual(["action.send.refused"]);
  });

  it("change nothing of what is known of the agent, and are no unknown signals", async () => {
    const before = await lab.pane(agent.paneId);
    await lab.send(agent, { text: "y" });
    await agent.show({ draft: "" });
    const after = await lab.pane(agent.paneId);
    expect(after.agent).toEqual(before.agent);
    const { channels } = await lab.client.daemon.getHealth({});
    const counts = channels.find(({ source }) => source === SignalSource.ACTION);
    expect(counts?.accepted).toBeGreaterThan(3n);
    expect(counts?.unknown).toBe(0n);
  });

  it("reach whoever watches events, as they happen", async () => {
    const over = new AbortController();
    const seen: Event[] = [];
    const stream = lab.client.events.watchEvents({}, { signal: over.signal, timeoutMs: 0 });
    const watching = (async () => {
      for await (const { events } of stream) seen.push(...events);
    })().catch(() => undefined);
    const actionId = idOf(await lab.send(agent, { key: "Up" }));
    await eventually("both", () => seen.filter((event) => event.actionId === actionId).length === 2);
    over.abort();
    await watching;
  });
});

describe("an action's record", () => {
  it("says who asked for what, of which pane, and what came of it", async () => {
    const { ref, agent: status, identity } = await lab.pane(agent.paneId);
    const target = await lab.target(agent);
    const options = { headers: { "agtmux-caller": "record.test 1234" } };
    const answer = await lab.client.actions.send({ target, text: "z", enter: true }, options);
    const action = await read(idOf(answer));
    expect(action).toMatchObject({
      actionId: idOf(answer),
      actionType: "send",
      requestRef: target.requestRef,
      ref,
      runtimeId: status?.runtimeId,
      pane: identity,
      resultCode: ResultCode.OK,
      errorCode: ErrorCode.E_UNSPECIFIED,
      message: "sent and submitted",
      caller: "record.test 1234",
      completedAt: answer.result?.completedAt,
    });
    expect(action.createdAt?.seconds).toBeLessThanOrEqual(action.completedAt?.seconds ?? 0n);
    const byRuntime = `runtime:${status?.runtimeId ?? ""}`;
    const other = await lab.send(agent, { text: "z", enter: true }, { ref: byRuntime });
    expect((await read(idOf(other))).ref).toBe(byRuntime);
  });

  it("names the caller in one clean line, and keeps no secret of it", async () => {
    const options = { headers: { "agtmux-caller": `x${"y".repeat(500)}` } };
    const target = await lab.target(agent);
    const long = await lab.client.actions.viewOutput({ target }, options);
    expect((await read(idOf(long))).caller).toHaveLength(128);
    const secret = { headers: { "agtmux-caller": "tool --token hunter2hunter2" } };
    const told = await lab.client.actions.viewOutput({ target: await lab.target(agent) }, secret);
    expect((await read(idOf(told))).caller).toBe("[redacted]");
  });

  it("is in progress until it is done", async () => {
    const target = await lab.target(agent);
    const call = lab.client.actions.kill({ target, confirmed: true });
    const find = async (): Promise<Action | undefined> => {
      const { actions } = await lab.client.actions.listActions({ limit: 5 });
      return actions.find(({ requestRef }) => requestRef === target.requestRef);
    };
    const begun = await eventually("it to be listed", find);
    expect(begun).toMatchObject({ resultCode: ResultCode.IN_PROGRESS, message: "" });
    expect(begun.completedAt).toBeUndefined();
    await call;
    expect(await find()).toMatchObject({ resultCode: ResultCode.OK });
  });

  it("is not found by an id that no action has", async () => {
    for (const actionId of ["", "x", randomUUID(), "\u001b[2J", "a".repeat(10_000)]) {
      const error = await refusal(lab.client.actions.getAction({ actionId }));
      expect(error.code).toBe(ErrorCode.E_REF_NOT_FOUND);
      expect((error.details["action_id"] ?? "").length).toBeLessThanOrEqual(64);
    }
  });
});

describe("the list of actions", () => {
  let first: BoxAgent;
  let second: BoxAgent;
  const ids: string[] = [];
  beforeAll(async () => {
    [first, second] = [await lab.agent(), await lab.agent()];
    for (let count = 0; count < 12; count += 1) {
      ids.unshift(idOf(await lab.send(count % 3 === 0 ? second : first, { key: "Up" })));
    }
  });

  const listed = async (
    request: Parameters<ActionScene["client"]["actions"]["listActions"]>[0],
  ): Promise<string[]> => {
    const { actions } = await lab.client.actions.listActions(request);
    return actions.map(({ actionId }) => actionId);
  };
  const ofSecond = (): string[] => ids.filter((_, index) => (11 - index) % 3 === 0);

  it("is newest first, of all panes, of one runtime, or of one pane", async () => {
    expect((await listed({})).slice(0, 12)).toEqual(ids);
    const { ref, agent: status } = await lab.pane(second.paneId);
    expect(await listed({ runtimeId: status?.runtimeId ?? "" })).toEqual(ofSecond());
    expect(await listed({ paneRef: ref })).toEqual(ofSecond());
    expect(await listed({ runtimeId: "0".repeat(64) })).toEqual([]);
    expect(await listed({ paneRef: "pane:other/work/@0/%0" })).toEqual([]);
  });

  it("begins at a time, to the microsecond", async () => {
    const at = (await read(ids[4] ?? "")).createdAt;
    if (at === undefined) throw new Error("it has a time");
    expect(await listed({ since: at })).toEqual(ids.slice(0, 5));
    expect(await listed({ since: { seconds: at.seconds, nanos: at.nanos + 1_000 } })).toEqual(
      ids.slice(0, 4),
    );
    expect(await listed({ since: timestampFromMs(Date.now() + 60_000) })).toEqual([]);
    expect((await listed({ since: timestampFromMs(0) })).slice(0, 12)).toEqual(ids);
  });

  it("comes in pages without gap or repeat, whatever is done between them", async () => {
    for (const limit of [1, 5, 6, 12]) {
      const { ref } = await lab.pane(first.paneId);
      const expected = await listed({ paneRef: ref, limit: 1_000 });
      const read: string[] = [];
      for (let pageToken = ""; ; ) {
        const page = await lab.client.actions.listActions({ paneRef: ref, limit, pageToken });
        expect(page.actions.length).toBeLessThanOrEqual(limit);
        read.push(...page.actions.map(({ actionId }) => actionId));
        pageToken = page.nextPageToken;
        if (pageToken === "") break;
        expect(page.actions).toHaveLength(limit);
        if (limit === 5) await lab.send(first, { key: "Up" });
      }
      expect(read).toEqual(expected);
    }
  });

  it("refuses what is no page, no limit and no filter", async () => {
    const { ref } = await lab.pane(first.paneId);
    const id = ids[0] ?? "";
    const tokens = [
      "x",
      "1",
      `${id}`,
      `-1.${id}`,
      `1.${id}x`,
      `1e3.${id}`,
      `12345678901234567.${id}`,
      `1.${"A".repeat(36)}`,
    ];
    const bad = [
      ...tokens.map((pageToken) => [{ pageToken }, "page_token"] as const),
      [{ limit: -1 }, "limit"],
      [{ limit: 1_001 }, "limit"],
      [{ runtimeId: "0".repeat(64), paneRef: ref }, "pane_ref"],
      [{ paneRef: `runtime:${"0".repeat(64)}` }, "pane_ref"],
    ] as const;
    for (const [request, field] of bad) {
      const error = await refusal(lab.client.actions.listActions(request));
      expect([request, error.codeName, error.details["field"]]).toEqual([
        request,
        "E_INVALID_ARGUMENT",
        field,
      ]);
    }
    expect((await refusal(lab.client.actions.listActions({ paneRef: "work" }))).code).toBe(
      ErrorCode.E_REF_INVALID,
    );
    expect((await refusal(lab.client.actions.listActions({ paneRef: "pane:lab/%ff/@0/%0" }))).code).toBe(
      ErrorCode.E_REF_INVALID_ENCODING,
    );
  });

  it("has room for the largest page, and for what states there are", async () => {
    expect((await listed({ limit: 1_000 })).length).toBeGreaterThan(12);
    await lab.become(first, "busy", AgentState.RUNNING);
    const error = await refusal(
      lab.client.actions.approve({ target: await lab.target(first), promptId: "" }),
    );
    const [newest] = await lab.client.actions.listActions({ limit: 1 }).then(({ actions }) => actions);
    expect(newest).toMatchObject({
      actionId: error.details["action_id"],
      actionType: "approve",
      resultCode: ResultCode.REFUSED,
      errorCode: ErrorCode.E_PRECONDITION_FAILED,
      message: error.message,
    });
  });
});
