import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ResultCode } from "../../gen/agtmux/v1/action_pb.js";
import { AgentState } from "../../gen/agtmux/v1/common_pb.js";
import { ActionDaemon, type Answers, runWords } from "./support/action-daemon.js";
import { DaemonDouble } from "./support/daemon-double.js";
import type { FakeIoOptions } from "./support/fake-io.js";
import { agentPane } from "./support/samples.js";
import { strictComplaints } from "./support/schemas.js";

let double: DaemonDouble;
beforeEach(() => {
  double = new DaemonDouble();
});
afterEach(() => double.remove());

async function serve(answers: Answers) {
  const daemon = new ActionDaemon([agentPane(1, AgentState.IDLE)], answers);
  await double.listen(daemon.routes);
  return daemon;
}

const SSH = ["ssh", "-t", "--", "vm1", "exec tmux -u -S '/tmp/s' attach-session -t '$1'"];

describe("agtmux attach", () => {
  const run = (line: string, options: FakeIoOptions = {}) => runWords(double, line.split(" "), options);

  it("executes the answered words in the terminal and ends with their status", async () => {
    await serve({ argv: SSH });
    const executed: (readonly string[])[] = [];
    const execute = async (argv: readonly string[]) => {
      executed.push(argv);
      return 3;
    };
    const { status, out, err } = await run("attach %1", { execute });
    expect({ status, out, err }).toEqual({ status: 3, out: "", err: "" });
    expect(executed).toEqual([SSH]);
  });

  it("prints the line for a shell with --print, and executes nothing", async () => {
    await serve({ argv: SSH });
    const execute = () => Promise.reject(new Error("executed"));
    const { status, out } = await run("attach %1 --print", { execute });
    expect(status).toBe(0);
    expect(out).toBe(`ssh -t -- vm1 'exec tmux -u -S '\\''/tmp/s'\\'' attach-session -t '\\''$1'\\'''\n`);
  });

  it("prints the words as JSON, and executes nothing", async () => {
    await serve({ argv: SSH });
    const { status, out } = await run("attach %1 --json", { execute: () => Promise.reject(new Error()) });
    expect(status).toBe(0);
    const json: unknown = JSON.parse(out);
    expect(json).toMatchObject({ action_id: "a-1", result_code: "ok", argv: SSH });
    expect(strictComplaints("action-result", json)).toEqual([]);
  });

  it("is refused without a terminal, before anything is selected", async () => {
    const daemon = await serve({ argv: SSH });
    const { status, err } = await run("attach %1");
    expect(status).toBe(2);
    expect(err).toContain("attach needs a terminal; --print or --json tells");
    expect(daemon.calls).toEqual([]);
  });

  it("executes nothing that was not found to be in order", async () => {
    await serve({ argv: SSH, result: { resultCode: ResultCode.RESULT_UNKNOWN } });
    const { status } = await run("attach %1", { execute: () => Promise.reject(new Error("executed")) });
    expect(status).toBe(7);
  });

  it("executes nothing where the daemon names nothing", async () => {
    await serve({ argv: [] });
    const { status, err } = await run("attach %1", { execute: () => Promise.reject(new Error("executed")) });
    expect(status).toBe(1);
    expect(err).toContain("did not say what to execute");
  });

  it("does not print words that would work on the terminal itself", async () => {
    await serve({ argv: ["tmux", "-S", "/tmp/\u001b]52;c;x\u0007"] });
    const { status, out, err } = await run("attach %1 --print");
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).not.toContain("\u001b");
  });
});
