import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Outcome, ResultCode } from "../../gen/agtmux/v1/action_pb.js";
import { AgentState, ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { ActionDaemon, type Answers, refusal, runWords } from "./support/action-daemon.js";
import { DaemonDouble } from "./support/daemon-double.js";
import type { FakeIoOptions } from "./support/fake-io.js";
import { agentPane } from "./support/samples.js";
import { openComplaints, strictComplaints } from "./support/schemas.js";

let double: DaemonDouble;
beforeEach(() => {
  double = new DaemonDouble();
});
afterEach(() => double.remove());

async function serve(answers: Answers = {}) {
  const daemon = new ActionDaemon([agentPane(1, AgentState.RUNNING)], answers);
  await double.listen(daemon.routes);
  return daemon;
}

const run = (line: string, options?: FakeIoOptions) => runWords(double, line.split(" "), options);

/** The JSON of a command, which must be all that its schema knows; words of a newer daemon it only lets through. */
function json(text: string, complaints = strictComplaints): unknown {
  const value: unknown = JSON.parse(text);
  expect(complaints("action-result", value)).toEqual([]);
  return value;
}

const COMMANDS = [
  "send %1 hi",
  "interrupt %1",
  "kill %1 --yes",
  "approve %1 --prompt-id p",
  "deny %1 --prompt-id p",
  "view-output %1",
  "attach %1 --print",
];

describe("the end of an action", () => {
  for (const [resultCode, status, word] of [
    [ResultCode.FAILED, 1, "failed"],
    [ResultCode.RESULT_UNKNOWN, 7, "result_unknown"],
    [ResultCode.IN_PROGRESS, 7, "in_progress"],
    [ResultCode.REFUSED, 5, "refused"],
    [ResultCode.UNSPECIFIED, 1, ""],
    // A code of a newer daemon.
    [99 as ResultCode, 1, ""],
  ] as const) {
    it(`that is ${word || `of code ${resultCode}`} has status ${status}, and is told on stderr`, async () => {
      await serve({
        result: { resultCode, message: "so it went", replayed: true },
        outcome: Outcome.UNSPECIFIED,
      });
      for (const line of COMMANDS) {
        const { status: ended, out, err } = await run(line);
        expect({ line, ended, out }).toEqual({ line, ended: status, out: "" });
        expect(err).toContain(`agtmux: host/work:1.0 %1: ${word || "another result"}: so it went`);
        expect(err).toContain("; agtmux actions --id a-1\n");
        const told = await run(line.startsWith("attach") ? "attach %1 --json" : `${line} --json`);
        expect({ line, ended: told.status, err: told.err }).toEqual({ line, ended: status, err: "" });
        const complaints = word === "" ? openComplaints : strictComplaints;
        expect(json(told.out, complaints)).toMatchObject({
          result_code: word,
          message: "so it went",
          replayed: true,
        });
      }
    });
  }

  for (const [line, outcome, status] of [
    ["send %1 hi --enter", Outcome.YES, 0],
    ["send %1 hi --enter", Outcome.UNKNOWN, 0],
    ["send %1 hi --enter", Outcome.NO, 1],
    ["approve %1 --yes --prompt-id p", Outcome.NO, 1],
    ["approve %1 --yes --prompt-id p", Outcome.UNKNOWN, 0],
    ["deny %1 --yes --prompt-id p", Outcome.NO, 1],
    ["interrupt %1", Outcome.NO, 1],
    ["interrupt %1", Outcome.YES, 0],
    ["interrupt %1", Outcome.UNKNOWN, 0],
    ["kill %1 --yes", Outcome.NO, 0],
    ["kill %1 --yes", Outcome.YES, 0],
  ] as const) {
    it(`of "${line}" with the outcome ${Outcome[outcome]} has status ${status}`, async () => {
      await serve({ outcome });
      const name =
        { s: "submitted", a: "closed", d: "closed", i: "stopped", k: "ended" }[line[0] ?? ""] ?? "";
      const { status: ended, out, err } = await run(line);
      expect(ended).toBe(status);
      expect(status === 0 ? out : err).toContain(`sent (${name}: ${Outcome[outcome].toLowerCase()})`);
      const told = await run(`${line} --json`);
      expect(told.status).toBe(status);
      expect(json(told.out)).toMatchObject({ [name]: Outcome[outcome].toLowerCase() });
    });
  }

  it("of a send without --enter says nothing of a submission", async () => {
    await serve({ outcome: Outcome.NO });
    expect(await run("send %1 hi")).toEqual({ status: 0, out: "host/work:1.0 %1: sent\n", err: "" });
    expect(json((await run("send %1 hi --json")).out)).not.toHaveProperty("submitted");
  });

  it("of a replay says that nothing was done again", async () => {
    await serve({ result: { replayed: true } });
    const { out } = await run("send %1 hi --enter --request-ref r");
    expect(out).toContain("(submitted: yes; as it was the first time; nothing was done again)");
  });

  it("by a refusal has the status of its code, and the JSON has the action's id", async () => {
    const daemon = await serve();
    daemon.refuses = refusal(ErrorCode.E_SNAPSHOT_EXPIRED, "40 s ago", {
      action_id: "a-2",
      result_code: "refused",
    });
    for (const line of COMMANDS) {
      expect(await run(line)).toEqual({ status: 5, out: "", err: "agtmux: 40 s ago (E_SNAPSHOT_EXPIRED)\n" });
    }
    expect(JSON.parse((await run("send %1 hi --json")).err)).toMatchObject({
      error: { code: "E_SNAPSHOT_EXPIRED", details: { action_id: "a-2", result_code: "refused" } },
    });
  });

  it("by silence says that it may have been done, and how to find out", async () => {
    const daemon = await serve();
    daemon.refuses = new ConnectError("late", Code.DeadlineExceeded);
    const { status, err } = await run("send %1 hi --request-ref mine --json");
    expect(status).toBe(7);
    expect(JSON.parse(err)).toMatchObject({
      error: {
        code: "E_TIMEOUT",
        message: expect.stringContaining(
          "it may have been done: the same again with --request-ref mine tells",
        ),
        details: { request_ref: "mine" },
      },
    });
  });

  it("by a daemon that goes away says so too, and is not tried a second time", async () => {
    const daemon = await serve();
    daemon.before = () => double.crash();
    const { status, err } = await run("send %1 hi --request-ref mine");
    expect(status).toBe(3);
    expect(err).toContain("it may have been done: the same again with --request-ref mine tells");
    expect(daemon.calls).toHaveLength(1);
  });

  it("without a result is a defect of the daemon", async () => {
    const daemon = await serve();
    daemon.resultless = true;
    const { status, err } = await run("interrupt %1");
    expect({ status, err }).toEqual({
      status: 1,
      err: "agtmux: the daemon answered without a result (E_INTERNAL)\n",
    });
  });
});

describe("whatever the daemon says of an action", () => {
  const EVIL = "\u001b]52;c;x\u0007\u202e\u009b6n\nagtmux: ok";

  it("has no power over the terminal", async () => {
    for (const resultCode of [ResultCode.OK, ResultCode.FAILED]) {
      const evil = new DaemonDouble();
      const daemon = new ActionDaemon([agentPane(1, AgentState.RUNNING)], {
        result: { actionId: EVIL, message: EVIL, resultCode },
      });
      await evil.listen(daemon.routes);
      for (const line of COMMANDS) {
        for (const words of [line.split(" "), [...line.split(" "), "--json"]]) {
          const { out, err } = await runWords(evil, words);
          expect(out + err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
          expect(out + err).not.toMatch(/^agtmux: ok/m);
          if (out.startsWith("{")) expect(JSON.parse(out)).toMatchObject({ message: " agtmux: ok" });
        }
      }
      await evil.remove();
    }
  });
});
