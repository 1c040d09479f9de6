import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Outcome } from "../../src/client/index.js";
import { eventually } from "../support/daemon.js";
import { ActionScene, type BoxAgent } from "./support/actor.js";

let lab: ActionScene;
let agent: BoxAgent;
beforeAll(async () => {
  lab = await ActionScene.start();
});
afterAll(() => lab.close());
beforeEach(async () => {
  agent = await lab.agent();
});

/** Sends with Enter, and has the user type between the text and its Enter. */
async function sent(text: string, typed: string, overDraft = false) {
  const answer = lab.send(agent, { text, enter: true, overDraft });
  await eventually("the text to arrive", () => agent.received.includes(text));
  lab.scene.tmux("send-keys", "-t", agent.paneId, "-l", typed);
  return answer;
}

describe("what the user types between a sent text and its Enter", () => {
  it.each(["hello", "with  two blanks"])(
    "TC-027 is not submitted with %j: both stay in the box",
    async (text) => {
      const { submitted, result } = await sent(text, " rm");
      expect(submitted).toBe(Outcome.NO);
      expect(result?.message).toBe(
        "the text was sent and not submitted: something else was typed beside the text",
      );
      expect(agent.submitted).toEqual([]);
      expect(agent.received).toBe(`${text} rm`);
    },
  );

  it("is submitted where a draft is said not to matter", async () => {
    expect((await sent("hello", " you", true)).submitted).toBe(Outcome.YES);
    expect(agent.submitted).toEqual(["hello you"]);
  });
});
