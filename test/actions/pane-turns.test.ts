import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { PaneTurns } from "../../src/server/actions/pane-turns.js";
import { ContractError } from "../../src/server/contract-error.js";
import { ActionScene, refusal, type TargetInit } from "./support/actor.js";

describe("turns at a pane", () => {
  let turns: PaneTurns;
  let said: string[];
  beforeEach(() => {
    vi.useFakeTimers();
    turns = new PaneTurns();
    said = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Takes so long, and says when it begins and ends. */
  function work(name: string, ms: number, pane = "%1"): Promise<void> {
    return turns
      .take(pane, async () => {
        said.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, ms));
        said.push(`${name} ends`);
        if (name === "bad") throw new Error("a defect");
      })
      .catch((error: unknown) => {
        said.push(error instanceof ContractError ? `${name} ${error.codeName}` : `${name} fails`);
      });
  }

  it("are taken one after the other, in the order in which they were asked for", async () => {
    const all = [work("a", 100), work("b", 50), work("c", 10)];
    await vi.advanceTimersByTimeAsync(200);
    await Promise.all(all);
    expect(said).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  it("at other panes go on meanwhile", async () => {
    const all = [work("a", 100), work("b", 50, "%2")];
    await vi.advanceTimersByTimeAsync(200);
    await Promise.all(all);
    expect(said).toEqual(["a begins", "b begins", "b ends", "a ends"]);
  });

  it("are given up after 5 s, and never taken later; who comes next waits for the first all the same", async () => {
    const first = work("first", 7_000);
    const second = work("second", 10);
    await vi.advanceTimersByTimeAsync(3_000);
    const third = work("third", 10);
    await vi.advanceTimersByTimeAsync(1_999);
    expect(said).toEqual(["first begins"]);
    await vi.advanceTimersByTimeAsync(1);
    await second;
    expect(said).toEqual(["first begins", "second E_TIMEOUT"]);
    await vi.advanceTimersByTimeAsync(2_100);
    await Promise.all([first, third]);
    expect(said.slice(2)).toEqual(["first ends", "third begins", "third ends"]);
  });

  it("go on behind one that fails", async () => {
    const all = [work("bad", 10), work("good", 10)];
    await vi.advanceTimersByTimeAsync(100);
    await Promise.all(all);
    expect(said).toEqual(["bad begins", "bad ends", "bad fails", "good begins", "good ends"]);
  });

  it("are free again when nobody waits", async () => {
    await Promise.all([work("a", 10), vi.advanceTimersByTimeAsync(20)]);
    await Promise.all([work("b", 10), vi.advanceTimersByTimeAsync(20)]);
    expect(said).toEqual(["a begins", "a ends", "b begins", "b ends"]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("TC-027 actions that come to one pane at once", () => {
  let lab: ActionScene;
  beforeAll(async () => {
    lab = await ActionScene.start();
  });
  afterAll(() => lab.close());

  it("take turns: between a text and its Enter comes no key of another", async () => {
    const agent = await lab.agent();
    const texts = Array.from({ length: 4 }, (_, index) => `text ${index} of many`);
    const target = await lab.target(agent);
    const { actions } = lab.client;
    const sends = texts.map((text) => {
      return actions.send({ target: { ...target, requestRef: lab.ref() }, text, enter: true });
    });
    const keys = texts.map(() => actions.send({ target: { ...target, requestRef: lab.ref() }, key: "Up" }));
    await Promise.all([...sends, ...keys]);
    const up = "\u001b[A";
    expect(agent.submitted.toSorted()).toEqual(texts);
    expect(agent.received.replaceAll(up, "")).toBe(agent.submitted.map((text) => `${text}\r`).join(""));
    expect(agent.times(up)).toBe(texts.length);
    for (const text of texts) expect(agent.received).toContain(`${text}\r`);
  });

  it("TC-025 are refused when they have waited for 5 s, and a replay is told the same; others' panes are free", async () => {
    const [agent, other] = [await lab.agent(), await lab.agent()];
    const target = await lab.target(agent);
    const kill = (more: TargetInit) => lab.client.actions.kill({ target: more, confirmed: true });
    const refs = [lab.ref(), lab.ref(), lab.ref()].map((requestRef) => ({ ...target, requestRef }));
    const [first = target, second = target, third = target] = refs;
    // Each C-c is waited upon for 3 s.
    const began = performance.now();
    const running = [kill(first), kill(second)];
    const ended: string[] = [];
    void running[0]?.then(() => ended.push("the first"));
    const refused = refusal(kill(third));
    const elsewhere = await lab.send(other, { text: "meanwhile", enter: true });
    expect(ended).toEqual([]);
    expect(elsewhere.result?.message).toBe("sent and submitted");
    const error = await refused;
    expect(performance.now() - began).toBeGreaterThan(4_900);
    expect([error.codeName, error.details["reason"], error.details["result_code"]]).toEqual([
      "E_TIMEOUT",
      "pane_busy",
      "refused",
    ]);
    await Promise.all(running);
    const again = await refusal(kill(third));
    expect([again.code, again.message, again.details]).toEqual([error.code, error.message, error.details]);
    expect(agent.received).toBe("\u0003\u0003");
  });
});
