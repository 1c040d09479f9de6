import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState } from "../../gen/agtmux/v1/common_pb.js";
import { ActionDaemon, type Answers, runWords } from "./support/action-daemon.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { agentPane } from "./support/samples.js";
import { strictComplaints } from "./support/schemas.js";

let double: DaemonDouble;
beforeEach(() => {
  double = new DaemonDouble();
});
afterEach(() => double.remove());

async function serve(answers: Answers) {
  await double.listen(new ActionDaemon([agentPane(1, AgentState.RUNNING)], answers).routes);
}

const run = (line: string) => runWords(double, line.split(" "));

describe("agtmux view-output", () => {
  const HOSTILE = [
    "plain",
    "\u001b[1;31mred\u001b[0m \u001b]52;c;eA==\u0007x",
    "\u001b[2Jcleared\u001b[6n \u001bPq\u001b\\ \u009b31m8-bit",
    "\u202etxt.exe \u001b[38:2::1:2:3mrgb",
  ];

  it("prints the lines without anything that works on the terminal", async () => {
    await serve({ lines: HOSTILE });
    const { status, out } = await run("view-output %1");
    expect(status).toBe(0);
    expect(out).toBe("plain\nred x\ncleared  8-bit\ntxt.exe rgb\n");
  });

  it("lets colours through when asked, and nothing else", async () => {
    await serve({ lines: HOSTILE });
    const { out } = await run("view-output %1 --colors");
    expect(out.split("\n")).toEqual([
      "plain",
      "\u001b[1;31mred\u001b[0m x\u001b[0m",
      "cleared  8-bit",
      "txt.exe \u001b[38:2::1:2:3mrgb\u001b[0m",
      "",
    ]);
  });

  it("prints JSON with the open dialog", async () => {
    await serve({ lines: HOSTILE, promptId: "p-1", promptText: "Run\n it?\u0007" });
    const { out } = await run("view-output %1 --json");
    const json: unknown = JSON.parse(out);
    expect(strictComplaints("action-result", json)).toEqual([]);
    expect(json).toMatchObject({
      lines: ["plain", "red x", "cleared  8-bit", "txt.exe rgb"],
      truncated: true,
      prompt_id: "p-1",
      prompt_text: "Run\n it?",
    });
    expect((await run("view-output %1 --json --colors")).out).not.toContain("\u001b");
  });

  it("prints nothing for an empty pane", async () => {
    await serve({});
    expect(await run("view-output %1")).toEqual({ status: 0, out: "", err: "" });
  });
});
