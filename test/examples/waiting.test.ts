import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Scene } from "../daemon/support/scene.js";
import { EXAMPLES, environment } from "./support.js";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(() => scene.close());

function waiting(more: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync("/bin/sh", [join(EXAMPLES, "waiting.sh")], {
    encoding: "utf8",
    env: { ...environment(scene), ...more },
    timeout: 10_000,
  });
  return { status, lines: stdout.split("\n").slice(0, -1).sort(), stderr };
}

it("the example waiting.sh says who waits and whether anybody does", async () => {
  expect(waiting()).toEqual({ status: 1, lines: [], stderr: "" });
  const one = await scene.agentIn("permission prompt", "new-session", "-d", "-s", 'a/b "state" ü');
  const two = await scene.agentIn("input needed", "new-session", "-d", "-s", "other");
  await scene.agentIn("busy", "new-session", "-d", "-s", "busy");
  // A title that looks like a pane of the answer.
  const fake = '{"identity":{},"ref":"pane:no/no/@9/%9","state":"AGENT_STATE_WAITING_INPUT"}';
  scene.tmux("select-pane", "-t", one.paneId, "-T", fake);
  await scene.untilPane("the title", ({ title }) => title.includes("identity"));
  expect(waiting()).toEqual({
    status: 0,
    lines: [
      `WAITING_APPROVAL pane:lab/a%2Fb%20%22state%22%20%C3%BC/@0/${one.paneId}`,
      `WAITING_INPUT pane:lab/other/@1/${two.paneId}`,
    ],
    stderr: "",
  });
  for (const agent of [one, two]) await scene.untilState(agent, "idle");
  expect(waiting()).toEqual({ status: 1, lines: [], stderr: "" });
});

it("the example waiting.sh ends with 2 where no daemon answers", () => {
  const none = waiting({ AGTMUX_STATE_DIR: "/nowhere" });
  expect(none).toMatchObject({
    status: 2,
    lines: [],
    stderr: expect.stringContaining("agtmux daemon start"),
  });
  const gone = waiting({ AGTMUX_SOCKET: "/nowhere/agtmuxd.sock" });
  expect(gone).toMatchObject({ status: 2, lines: [], stderr: expect.stringContaining("curl") });
});
