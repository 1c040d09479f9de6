import { setTimeout as delay } from "node:timers/promises";
import { toBinary } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  AgentState,
  connect,
  ErrorCode,
  Outcome,
  ResultCode,
  type SendResponse,
  SendResponseSchema,
} from "../../src/client/index.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import {
  ActionScene,
  type BoxAgent,
  lookedAgo,
  lookedAt,
  refusal,
  type SendInit,
  type TargetInit,
} from "./support/actor.js";

let lab: ActionScene;
let agent: BoxAgent;
beforeAll(async () => {
  lab = await ActionScene.start();
});
afterAll(() => lab.close());
beforeEach(async () => {
  agent = await lab.agent();
});
afterEach(() => lab.gone(agent));

/** An answer without the mark of a replay. */
function bytes({ result, ...rest }: SendResponse): string {
  const same = result === undefined ? {} : { result: { ...result, replayed: false } };
  return Buffer.from(toBinary(SendResponseSchema, { ...rest, ...same })).toString("hex");
}

async function stored(): Promise<string[]> {
  const { actions } = await lab.client.actions.listActions({ limit: 1_000 });
  return actions.map(({ actionId }) => actionId);
}

/** Looked away for longer than a look counts, and at another state. */
async function longAgo(more: TargetInit = {}): Promise<TargetInit> {
  return lookedAgo(lookedAt(await lab.target(agent, more), { stateVersion: 1_000n }), 3_600);
}

describe("TC-025 a request with the request_ref of another", () => {
  it("after its end is answered with the first's action id and result, byte for byte, and does nothing", async () => {
    const target = await lab.target(agent);
    const first = await lab.client.actions.send({ target, text: "once", enter: true });
    expect(first).toMatchObject({
      submitted: Outcome.YES,
      result: { resultCode: ResultCode.OK, replayed: false },
    });
    for (let count = 0; count < 3; count++) {
      const again = await lab.client.actions.send({ target, text: "once", enter: true });
      expect(again.result?.replayed).toBe(true);
      expect(bytes(again)).toBe(bytes(first));
    }
    expect([agent.submitted, agent.times("once")]).toEqual([["once"], 1]);
    expect(first.result?.completedAt).toBeDefined();
  });

  it("while the first is on its way waits for it, and is answered with its result", async () => {
    await agent.show({ mute: true });
    const target = await lab.target(agent);
    const began = performance.now();
    const first = lab.client.actions.send({ target, text: "slow", enter: true });
    await eventually("the text to arrive", () => agent.times("slow") === 1);
    const again = await lab.client.actions.send({ target, text: "slow", enter: true });
    expect(performance.now() - began).toBeGreaterThan(1_000);
    expect(again.result?.replayed).toBe(true);
    expect(bytes(again)).toBe(bytes(await first));
    expect([agent.times("slow"), agent.times("\r")]).toEqual([1, 0]);
  });

  it("while the first goes on for 5 s is told that it is in progress, and its result later", async () => {
    const [before, slow] = [await lab.target(agent), await lab.target(agent)];
    const kill = (target: TargetInit) => lab.client.actions.kill({ target, confirmed: true });
    // Each C-c is waited upon for 3 s, one behind the other.
    const running = [kill(before), kill(slow)];
    const began = performance.now();
    const early = await kill(slow);
    const waited = performance.now() - began;
    expect(early).toMatchObject({
      ended: Outcome.UNSPECIFIED,
      result: { resultCode: ResultCode.IN_PROGRESS },
    });
    expect(waited).toBeGreaterThan(4_900);
    expect(waited).toBeLessThan(9_000);
    const [, second] = await Promise.all(running);
    expect(early.result?.actionId).toBe(second?.result?.actionId);
    const late = await kill(slow);
    expect(late).toMatchObject({ ended: Outcome.NO, result: { ...second?.result, replayed: true } });
    expect(agent.times("\u0003")).toBe(2);
  });

  it("of many that come at once one is carried out, and all are answered alike", async () => {
    const clients = Array.from({ length: 10 }, () => connect({ socket: lab.scene.daemon.socketPath }));
    const target = await lab.target(agent);
    const calls = clients.flatMap(({ actions }) =>
      Array.from({ length: 10 }, () => actions.send({ target, text: "storm", enter: true })),
    );
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(bytes)).size).toBe(1);
    expect(answers.filter(({ result }) => result?.replayed === false)).toHaveLength(1);
    expect([agent.submitted, agent.times("storm")]).toEqual([["storm"], 1]);
  });

  it("that has looked again since is a replay all the same: what was looked at is not what was asked for", async () => {
    const target = await lab.target(agent);
    const first = await lab.client.actions.send({ target, text: "looked", enter: true });
    await lab.become(agent, "busy", AgentState.RUNNING);
    const { requestRef } = target;
    for (const later of [
      await lab.target(agent, { requestRef: requestRef ?? "" }),
      await longAgo({ requestRef: requestRef ?? "" }),
    ]) {
      const again = await lab.client.actions.send({ target: later, text: "looked", enter: true });
      expect(bytes(again)).toBe(bytes(first));
    }
    expect(agent.times("looked")).toBe(1);
  });

  it("is answered when agent and pane are gone, too", async () => {
    const other = await lab.agent();
    const target = await lab.target(other);
    const first = await lab.client.actions.send({ target, text: "last words" });
    await lab.gone(other);
    expect(bytes(await lab.client.actions.send({ target, text: "last words" }))).toBe(bytes(first));
    const fresh = await refusal(
      lab.client.actions.send({ target: { ...target, requestRef: lab.ref() }, text: "x" }),
    );
    expect(fresh.code).toBe(ErrorCode.E_REF_NOT_FOUND);
  });

  it("of another kind is another request: a key belongs to its action's type", async () => {
    await lab.become(agent, "busy", AgentState.RUNNING);
    const target = await lab.target(agent);
    const { actions } = lab.client;
    const answers = [
      await actions.send({ target, key: "Up" }),
      await actions.interrupt({ target }),
      await actions.kill({ target, confirmed: true }),
      await actions.viewOutput({ target }),
      await actions.attach({ target }),
    ];
    const ids = answers.map(({ result }) => result?.actionId);
    const errors = [
      await refusal(actions.approve({ target, promptId: "" })),
      await refusal(actions.deny({ target })),
    ];
    expect(new Set([...ids, ...errors.map(({ details }) => details["action_id"])]).size).toBe(7);
    expect(agent.received).toBe("\u001b[A\u001b\u0003");
  });
});

describe("TC-026 a request with the request_ref of another and another payload", () => {
  const base = { text: "payload", enter: true } satisfies SendInit;
  const others: readonly (readonly [string, SendInit, TargetInit])[] = [
    ["text", { ...base, text: "payloae" }, {}],
    ["enter", { ...base, enter: false }, {}],
    ["paste", { ...base, paste: true }, {}],
    ["over_draft", { ...base, overDraft: true }, {}],
    ["a key instead", { key: "Enter" }, {}],
    ["stdin instead, and other", { stdin: Buffer.from("payload\n"), enter: true }, {}],
    ["if_state", base, { ifState: [AgentState.IDLE] }],
    ["if_runtime", base, { ifRuntime: "a".repeat(64) }],
    ["if_updated_within", base, { ifUpdatedWithin: { seconds: 5n } }],
    ["force_stale", base, { forceStale: true }],
    ["another pane", base, { ref: "pane:lab/other/@9/%99" }],
  ];

  it("is a conflict, whatever differs, in flight and afterwards; nothing is done", async () => {
    await agent.show({ mute: true });
    const target = await lab.target(agent);
    const first = lab.client.actions.send({ target, ...base });
    await eventually("the text to arrive", () => agent.times("payload") === 1);
    const before = await stored();
    for (const when of ["in flight", "afterwards"]) {
      for (const [what, request, guards] of others) {
        const error = await refusal(
          lab.client.actions.send({ target: { ...target, ...guards }, ...request }),
        );
        expect([when, what, error.codeName]).toEqual([when, what, "E_IDEMPOTENCY_CONFLICT"]);
        expect(error.details["action_id"]).toBe(before[0]);
      }
      if (when === "in flight") expect((await first).result?.actionId).toBe(before[0]);
    }
    expect(await stored()).toEqual(before);
    expect(agent.received).toBe("payload");
  });

  it("is one by the runtime's ref as well: the same pane in other words is another request", async () => {
    const target = await lab.target(agent);
    await lab.client.actions.send({ target, ...base });
    const { agent: status } = await lab.pane(agent.paneId);
    const other = { ...target, ref: `runtime:${status?.runtimeId ?? ""}` };
    const error = await refusal(lab.client.actions.send({ target: other, ...base }));
    expect(error.codeName).toBe("E_IDEMPOTENCY_CONFLICT");
    expect(agent.submitted).toEqual(["payload"]);
  });
});

describe("TC-025 a refusal", () => {
  it("is stored with its action's id, and a replay gives the same error, whatever has changed since", async () => {
    await agent.show({ draft: "half a sentence" });
    const target = await lab.target(agent);
    const call = (more: TargetInit = {}) =>
      lab.client.actions.send({ target: { ...target, ...more }, text: "over it", enter: true });
    const first = await refusal(call());
    expect([first.codeName, first.details["reason"]]).toEqual(["E_PRECONDITION_FAILED", "draft_present"]);
    expect(first.details).toMatchObject({ result_code: "refused", action_id: (await stored())[0] });
    await agent.show({ draft: "" });
    const again = await refusal(call());
    expect([again.code, again.message, again.details]).toEqual([first.code, first.message, first.details]);
    expect(agent.received).toBe("");
    const { action } = await lab.client.actions.getAction({ actionId: first.details["action_id"] ?? "" });
    expect(action).toMatchObject({
      resultCode: ResultCode.REFUSED,
      errorCode: ErrorCode.E_PRECONDITION_FAILED,
    });
    await call({ requestRef: lab.ref() });
    expect(agent.submitted).toEqual(["over it"]);
  });

  it.each<[string, (target: TargetInit) => TargetInit, string]>([
    ["of a look that is too old", (good) => lookedAgo(good, 31), "E_SNAPSHOT_EXPIRED"],
    ["of another state version", (good) => lookedAt(good, { stateVersion: 99n }), "E_PRECONDITION_FAILED"],
    ["of another runtime", (good) => lookedAt(good, { runtimeId: "b".repeat(64) }), "E_RUNTIME_STALE"],
    ["of if_state", (good) => ({ ...good, ifState: [AgentState.ERROR] }), "E_PRECONDITION_FAILED"],
    ["of if_runtime", (good) => ({ ...good, ifRuntime: "c".repeat(64) }), "E_RUNTIME_STALE"],
  ])("%s is one of those", async (_what, wrong, code) => {
    const target = wrong(await lab.target(agent));
    const { actions } = lab.client;
    const calls = [
      () => actions.send({ target, text: "x" }),
      () => actions.kill({ target, confirmed: true }),
      () => actions.attach({ target }),
      () => actions.viewOutput({ target }),
    ];
    for (const call of calls) {
      const [first, again] = [await refusal(call()), await refusal(call())];
      expect([first.codeName, first.details["result_code"]]).toEqual([code, "refused"]);
      expect(first.details["action_id"]).toMatch(/^[0-9a-f-]{36}$/u);
      const { age_ms: _, ...details } = again.details;
      expect(first.details).toMatchObject(details);
      expect(again.codeName).toBe(code);
    }
    expect(agent.received).toBe("");
  });

  it("of a pane without an agent is one of those: all that can be done there is to look and to attach", async () => {
    const { actions } = lab.client;
    const target = await lab.target(lab.plainPane);
    const harmless = await lab.target(lab.plainPane);
    const promptId = "a".repeat(32);
    const refused = [
      () => actions.send({ target, text: "x" }),
      () => actions.send({ target: harmless, key: "C-l" }),
      () => actions.approve({ target, promptId }),
      () => actions.deny({ target, promptId }),
      () => actions.interrupt({ target }),
      () => actions.kill({ target, confirmed: true }),
    ];
    for (const call of refused) {
      const [first, again] = [await refusal(call()), await refusal(call())];
      expect([first.codeName, first.details["reason"]]).toEqual(["E_PRECONDITION_FAILED", "no_agent"]);
      expect(again.details).toEqual(first.details);
    }
    expect((await actions.viewOutput({ target })).result?.resultCode).toBe(ResultCode.OK);
    expect((await actions.attach({ target })).argv).toContain("attach-session");
  });
});

describe("what is refused before it is resolved to a pane", () => {
  it("stores nothing, and its request_ref is as good as new", async () => {
    const target = await lab.target(agent);
    const before = await stored();
    const long = "r".repeat(256);
    const bad: readonly (readonly [string, SendInit])[] = [
      ["E_INVALID_ARGUMENT", { text: "x" }],
      ["E_INVALID_ARGUMENT", { target: { ...target, requestRef: "" }, text: "x" }],
      ["E_INVALID_ARGUMENT", { target: { ...target, requestRef: long }, text: "x" }],
      [
        "E_INVALID_ARGUMENT",
        { target: { ref: target.ref ?? "", requestRef: target.requestRef ?? "" }, text: "x" },
      ],
      ["E_INVALID_ARGUMENT", { target }],
      ["E_INVALID_ARGUMENT", { target, text: "x", key: "Enter" }],
      ["E_INVALID_ARGUMENT", { target, text: "x", stdin: Buffer.from("x") }],
      ["E_INVALID_ARGUMENT", { target, text: "\u001b[201~" }],
      ["E_INVALID_ARGUMENT", { target, stdin: Buffer.from([0xff]) }],
      ["E_INVALID_ARGUMENT", { target, key: "C-c" }],
      ["E_INVALID_ARGUMENT", { target, key: "Enter", enter: true }],
      ["E_INVALID_ARGUMENT", { target: { ...target, ifState: [0] }, text: "x" }],
      ["E_REF_INVALID", { target: { ...target, ref: "work" }, text: "x" }],
      ["E_REF_INVALID_ENCODING", { target: { ...target, ref: "pane:lab/%ff/@0/%0" }, text: "x" }],
      ["E_REF_NOT_FOUND", { target: { ...target, ref: "pane:lab/none/@99/%99" }, text: "x" }],
      ["E_REF_NOT_FOUND", { target: { ...target, ref: `runtime:${"0".repeat(64)}` }, text: "x" }],
    ];
    for (const [code, request] of bad) {
      const error = await refusal(lab.client.actions.send(request));
      expect([error.codeName, error.details["action_id"]]).toEqual([code, undefined]);
    }
    expect(await stored()).toEqual(before);
    const { result } = await lab.client.actions.send({ target, text: "x", enter: true });
    expect(result?.replayed).toBe(false);
    expect(agent.submitted).toEqual(["x"]);
  });

  it("TC-005 stores nothing of a ref to a runtime that has ended, whoever has the pane now", async () => {
    const other = await lab.agent();
    const { agent: old } = await lab.pane(other.paneId);
    const ref = `runtime:${old?.runtimeId ?? ""}`;
    const target = await lab.target(other, { ref });
    const before = await stored();
    // The same pane, with the same program in it.
    lab.scene.tmux("respawn-pane", "-k", "-t", other.paneId);
    const now = await lab.scene.untilPane("the new tenant", (pane) => {
      return (
        pane.identity?.paneId === other.paneId &&
        pane.agent !== undefined &&
        pane.agent.runtimeId !== old?.runtimeId
      );
    });
    const { actions } = lab.client;
    const byRef = await refusal(actions.send({ target, text: "for the old one" }));
    expect([byRef.codeName, byRef.details["action_id"]]).toEqual(["E_RUNTIME_STALE", undefined]);
    expect(await stored()).toEqual(before);
    // By the pane's ref, what was looked at says who was meant.
    for (const call of [
      () => actions.send({ target: { ...target, ref: now.ref }, text: "for the old one" }),
      () => actions.attach({ target: { ...target, ref: now.ref } }),
      () => actions.kill({ target: { ...target, ref: now.ref, forceStale: true }, confirmed: true }),
    ]) {
      expect((await refusal(call())).codeName).toBe("E_RUNTIME_STALE");
    }
    expect(other.received).toBe("");
    lab.scene.tmux("kill-pane", "-t", other.paneId);
  });
});

describe("view_output and attach", () => {
  it("run anew under the same action id, and are written down each time", async () => {
    const target = await lab.target(agent);
    await agent.show({ above: ["the first line"] });
    const first = await lab.client.actions.viewOutput({ target });
    await agent.show({ above: ["another line"] });
    const second = await lab.client.actions.viewOutput({ target });
    expect(first.lines).toContain("the first line");
    expect(second.lines).toContain("another line");
    expect(second.result?.actionId).toBe(first.result?.actionId);
    expect([first.result?.replayed, second.result?.replayed]).toEqual([false, false]);
    const actionId = first.result?.actionId ?? "";
    const { action } = await lab.client.actions.getAction({ actionId });
    expect(action?.completedAt).toEqual(second.result?.completedAt);
    const { events } = await lab.client.events.listEvents({ filter: { actionId } });
    expect(events.map(({ eventType }) => eventType)).toEqual([
      "action.view_output.ok",
      "action.view_output.ok",
    ]);
    const error = await refusal(lab.client.actions.viewOutput({ target, lines: 7 }));
    expect([error.codeName, error.details["action_id"]]).toEqual(["E_IDEMPOTENCY_CONFLICT", actionId]);
  });

  it("TC-022 attach selects the pane each time, and is refused each time that the look is too old", async () => {
    const paneId = lab.scene.tmux(
      "split-window",
      "-t",
      agent.paneId,
      "-P",
      "-F",
      "#{pane_id}",
      "exec sleep 100000",
    );
    const active = (): string => lab.scene.tmux("display-message", "-p", "-t", paneId, "#{pane_active}");
    const target = await lab.target(agent);
    for (let count = 0; count < 2; count++) {
      lab.scene.tmux("select-pane", "-t", paneId);
      expect(active()).toBe("1");
      const { argv, result } = await lab.client.actions.attach({ target });
      expect([argv[0], result?.replayed, active()]).toEqual(["tmux", false, "0"]);
    }
    lab.scene.tmux("select-pane", "-t", paneId);
    const old = await longAgo();
    for (let count = 0; count < 2; count++) {
      expect((await refusal(lab.client.actions.attach({ target: old }))).codeName).toBe("E_SNAPSHOT_EXPIRED");
      await delay(5);
    }
    // A request that was once carried out is refused as well when its look has grown old.
    const late = await longAgo({ requestRef: target.requestRef ?? "" });
    expect((await refusal(lab.client.actions.attach({ target: late }))).codeName).toBe("E_SNAPSHOT_EXPIRED");
    expect(active()).toBe("1");
    lab.scene.tmux("kill-pane", "-t", paneId);
  });
});

describe("TC-025 in the next daemon life", () => {
  it("a result and a refusal are what they were", async () => {
    const root = lab.scene.daemon.root;
    const good = await lab.target(agent);
    const bad = await lab.target(agent, { ifState: [AgentState.ERROR] });
    const first = await lab.client.actions.send({ target: good, text: "kept", enter: true });
    const refused = await refusal(lab.client.actions.send({ target: bad, text: "kept", enter: true }));
    await lab.scene.daemon.end();
    Object.assign(lab.scene, { daemon: await TestDaemon.start({ stateDir: root }) });
    expect(bytes(await lab.client.actions.send({ target: good, text: "kept", enter: true }))).toBe(
      bytes(first),
    );
    const again = await refusal(lab.client.actions.send({ target: bad, text: "kept", enter: true }));
    expect([again.code, again.message, again.details]).toEqual([
      refused.code,
      refused.message,
      refused.details,
    ]);
    expect(agent.submitted).toEqual(["kept"]);
  });
});
