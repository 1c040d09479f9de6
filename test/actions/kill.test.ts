import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AgentState,
  type AgtmuxError,
  KillMode,
  KillSignal,
  Outcome,
  ResultCode,
} from "../../src/client/index.js";
import { eventually } from "../support/daemon.js";
import { signal } from "../tmux/private-server.js";
import { ActionScene, type BoxAgent, refusal } from "./support/actor.js";

let lab: ActionScene;
beforeAll(async () => {
  lab = await ActionScene.start();
});
afterAll(() => lab.close());

const CTRL_C = "\u0003";

interface How {
  readonly mode?: KillMode;
  readonly signal?: KillSignal;
  readonly confirmed?: boolean;
}

async function kill(agent: BoxAgent, how: How = {}) {
  return lab.client.actions.kill({ target: await lab.target(agent), confirmed: true, ...how });
}

/** Whether it runs; tmux may take its time to bury what has ended. */
function isThere({ pid }: BoxAgent): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
  } catch {
    return false;
  }
}

describe("TC-029 kill in key mode", () => {
  it("interrupts: C-c reaches an agent that runs, once, and it is said that it runs on", async () => {
    const agent = await lab.agent();
    await agent.show({ footer: "  esc to interrupt" });
    await lab.become(agent, "busy", AgentState.RUNNING);
    const { ended, result } = await kill(agent);
    expect([ended, result?.resultCode]).toEqual([Outcome.NO, ResultCode.OK]);
    expect([agent.received, isThere(agent)]).toEqual([CTRL_C, true]);
  });

  it("says that the agent has ended where the first C-c ends it", async () => {
    const agent = await lab.agent();
    await agent.show({ endsAfter: 1 });
    const { ended, result } = await kill(agent);
    expect([ended, result?.resultCode]).toEqual([Outcome.YES, ResultCode.OK]);
    await eventually("it to be gone", () => !isThere(agent));
    expect(agent.received).toBe(CTRL_C);
  });

  it("takes one request for each C-c where it takes two", async () => {
    const agent = await lab.agent();
    await agent.show({ endsAfter: 2 });
    expect((await kill(agent)).ended).toBe(Outcome.NO);
    expect((await kill(agent)).ended).toBe(Outcome.YES);
    expect(agent.received).toBe(CTRL_C + CTRL_C);
  });

  it("sends nothing until it is confirmed, and says what C-c would do; the refusal is stored", async () => {
    const agent = await lab.agent();
    const error = await refusal(kill(agent, { confirmed: false }));
    expect(error.codeName).toBe("E_CONFIRMATION_REQUIRED");
    expect(error.details).toMatchObject({ may_end: "false", result_code: "refused" });
    expect(error.details["effect"]).toMatch(/^C-c stops a turn/u);
    expect(agent.received).toBe("");
    const { action } = await lab.client.actions.getAction({ actionId: error.details["action_id"] ?? "" });
    expect(action?.resultCode).toBe(ResultCode.REFUSED);
  });

  it.each([KillSignal.TERM, KillSignal.KILL])("takes no signal but INT: %i", async (name) => {
    const agent = await lab.agent();
    for (const mode of [KillMode.KEY, KillMode.UNSPECIFIED]) {
      const error = await refusal(kill(agent, { mode, signal: name }));
      expect([error.codeName, error.details]).toEqual(["E_INVALID_ARGUMENT", { field: "signal" }]);
    }
    expect([agent.received, isThere(agent)]).toEqual(["", true]);
    await lab.gone(agent);
  });
});

describe("kill by signal", () => {
  it.each([KillSignal.UNSPECIFIED, KillSignal.INT, KillSignal.TERM, KillSignal.KILL])(
    "%i reaches the agent's process, and not its terminal",
    async (name) => {
      const agent = await lab.agent();
      await agent.show({ endsAfter: 1 });
      const { ended, result } = await kill(agent, { mode: KillMode.SIGNAL, signal: name });
      expect([ended, result?.resultCode]).toEqual([Outcome.YES, ResultCode.OK]);
      await eventually("it to be gone", () => !isThere(agent));
      expect(agent.received).toBe("");
    },
  );

  it("says that an agent that takes no notice runs on", async () => {
    const agent = await lab.agent();
    const { ended } = await kill(agent, { mode: KillMode.SIGNAL });
    expect([ended, isThere(agent)]).toEqual([Outcome.NO, true]);
  });

  it("sends nothing until it is confirmed", async () => {
    const agent = await lab.agent();
    const how = { mode: KillMode.SIGNAL, signal: KillSignal.KILL, confirmed: false };
    const error = await refusal(kill(agent, how));
    expect([error.codeName, error.details["may_end"], isThere(agent)]).toEqual([
      "E_CONFIRMATION_REQUIRED",
      "true",
      true,
    ]);
  });

  it("TC-030 is refused with E_PID_UNAVAILABLE when the process is gone, and stays so for its request_ref", async () => {
    // The daemon stands still, so that it hears of the end and of the request at once: the request is quicker.
    const { child } = lab.scene.daemon;
    const request = await eventually("a request that is quicker than the agent's end", async () => {
      const agent = await lab.agent();
      const target = await lab.target(agent);
      const call = { target, mode: KillMode.SIGNAL, signal: KillSignal.TERM, confirmed: true };
      let refused: Promise<AgtmuxError>;
      child.kill("SIGSTOP");
      try {
        signal(agent.pid, "SIGKILL");
        await eventually("it to be gone", () => !isThere(agent));
        refused = refusal(lab.client.actions.kill(call));
      } finally {
        child.kill("SIGCONT");
      }
      const error = await refused;
      if (error.codeName === "E_RUNTIME_STALE") return undefined;
      return { call, error };
    });
    expect(request.error.codeName).toBe("E_PID_UNAVAILABLE");
    expect(request.error.details["result_code"]).toBe("refused");
    const again = await refusal(lab.client.actions.kill(request.call));
    expect([again.code, again.details]).toEqual([request.error.code, request.error.details]);
  });
});
