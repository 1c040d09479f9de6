import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState, ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import type { Pane } from "../../gen/agtmux/v1/state_pb.js";
import { ActionDaemon, refusal, runWords } from "./support/action-daemon.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { type FakeIoOptions, NOW } from "./support/fake-io.js";
import { agentPane, plainPane, RUNTIME } from "./support/samples.js";

let double: DaemonDouble;
beforeEach(() => {
  double = new DaemonDouble();
});
afterEach(() => double.remove());

const P1 = "1".repeat(32);
const P2 = "2".repeat(32);
const waiting = (promptId = P1, promptText = "Do you want to run\n  rm -rf build?", version = 17n) =>
  agentPane(
    1,
    AgentState.WAITING_APPROVAL,
    { promptId, promptText },
    { observation: { runtimeId: RUNTIME, stateVersion: version } },
  );

async function serve(panes: Pane[] | ((read: number) => Pane[]) = [waiting()]) {
  const daemon = new ActionDaemon(panes);
  await double.listen(daemon.routes);
  return daemon;
}

const run = (line: string, options?: FakeIoOptions) => runWords(double, line.split(" "), options);

/** A user who answers so, and the questions that they were asked. */
function user(answer: string) {
  const questions: string[] = [];
  const ask = async (question: string) => {
    questions.push(question);
    return answer;
  };
  return { questions, ask };
}

const nobody = () => Promise.reject(new Error("asked"));

describe.each(["approve", "deny"] as const)("agtmux %s", (verb) => {
  it("shows the dialog's text on a terminal, and a yes is bound to that dialog and that look", async () => {
    // Whatever opens meanwhile is another dialog.
    const daemon = await serve((read) => (read === 1 ? [waiting()] : [waiting(P2, "other", 18n)]));
    const { ask, questions } = user("y");
    const { status, out, err } = await run(`${verb} %1`, { ask });
    expect(status).toBe(0);
    expect(err).toBe("claude in host/work:1.0 %1 asks:\n  │ Do you want to run\n  │   rm -rf build?\n");
    expect(questions).toEqual([verb === "approve" ? "Approve that, this once? [y/N] " : "Deny that? [y/N] "]);
    expect(out).toBe("host/work:1.0 %1: sent (closed: yes)\n");
    expect(daemon.calls).toMatchObject([
      [
        verb,
        {
          promptId: P1,
          target: {
            ref: "pane:host/work/@1/%1",
            expect: { runtimeId: RUNTIME, stateVersion: 17n, observedAt: timestampFromDate(NOW) },
          },
        },
      ],
    ]);
  });

  for (const answer of ["", "n", "yep", "no"]) {
    it(`does nothing when the answer is "${answer}"`, async () => {
      const daemon = await serve();
      const { status, err } = await run(`${verb} %1`, { ask: user(answer).ask });
      expect(status).toBe(5);
      expect(err).toContain("agtmux: not confirmed; nothing was done (E_CONFIRMATION_REQUIRED)\n");
      expect(daemon.calls).toEqual([]);
    });
  }

  it("without a terminal says how to name the dialog, and does nothing", async () => {
    const daemon = await serve();
    const { status, err } = await run(`${verb} %1`);
    expect(status).toBe(5);
    expect(err).toContain(`agtmux ${verb} %1 --prompt-id ID`);
    expect(err).toContain("(E_CONFIRMATION_REQUIRED)");
    expect(daemon.calls).toEqual([]);
    // A look alone names no dialog.
    const observation = { runtime_id: RUNTIME, state_version: 17, observed_at: NOW.toISOString() };
    const bare = await runWords(double, [verb, "%1", "--expect", JSON.stringify(observation)]);
    expect(bare.status).toBe(5);
    expect(daemon.calls).toEqual([]);
  });

  it("takes the dialog that --prompt-id names, and asks nobody", async () => {
    const daemon = await serve([waiting(P2)]);
    expect((await run(`${verb} %1 --prompt-id ${P1}`, { ask: nobody })).status).toBe(0);
    expect(daemon.requests).toMatchObject([{ promptId: P1 }]);
  });

  it("takes the dialog and the look of a listed item, itself or on standard input", async () => {
    const daemon = await serve([waiting(P2)]);
    const observation = { runtime_id: "cd", state_version: 3, observed_at: NOW.toISOString() };
    const input = JSON.stringify({ state: "waiting_approval", observation, prompt_id: P1 });
    await run(`${verb} %1 --expect -`, { input });
    await runWords(double, [verb, "%1", "--expect", input], { ask: nobody });
    const told = { promptId: P1, target: { expect: { runtimeId: "cd", stateVersion: 3n } } };
    expect(daemon.requests).toMatchObject([told, told]);
  });

  it("refuses an item of one dialog beside the name of another", async () => {
    const daemon = await serve();
    const observation = { runtime_id: "cd", state_version: 3, observed_at: NOW.toISOString() };
    const input = JSON.stringify({ observation, prompt_id: P1 });
    const { status } = await run(`${verb} %1 --prompt-id ${P2} --expect -`, { input });
    expect(status).toBe(2);
    expect(daemon.calls).toEqual([]);
  });

  it("takes whatever is open now with --yes, and asks nobody", async () => {
    const daemon = await serve();
    expect((await run(`${verb} %1 --yes`, { ask: nobody })).status).toBe(0);
    expect((await run(`${verb} %1 --yes`)).status).toBe(0);
    expect(daemon.requests).toMatchObject([{ promptId: P1 }, { promptId: P1 }]);
  });

  it("waits for the text of a dialog that has just opened", async () => {
    const daemon = await serve((read) => (read < 4 ? [waiting("", "")] : [waiting(P1, "Run it?", 18n)]));
    const { ask } = user("yes");
    const { err } = await run(`${verb} work`, { ask });
    expect(err).toContain("  │ Run it?\n");
    expect(daemon.requests).toMatchObject([{ promptId: P1, target: { expect: { stateVersion: 18n } } }]);
  });

  it("has the daemon say why when that text is not read in time", async () => {
    const daemon = await serve([waiting("", "")]);
    daemon.refuses = refusal(ErrorCode.E_PRECONDITION_FAILED, "not read yet", { reason: "prompt_not_seen" });
    const begun = performance.now();
    const { status, err } = await run(`${verb} %1`, { ask: nobody });
    expect({ status, err }).toEqual({ status: 5, err: "agtmux: not read yet (E_PRECONDITION_FAILED)\n" });
    expect(performance.now() - begun).toBeGreaterThan(1_900);
    expect(daemon.requests).toMatchObject([{ promptId: "" }]);
  });

  it("has the daemon say why where no dialog is open, without a wait", async () => {
    const daemon = await serve([agentPane(1, AgentState.RUNNING), plainPane(2)]);
    daemon.refuses = refusal(ErrorCode.E_PRECONDITION_FAILED, "not for running", { reason: "state" });
    expect((await run(`${verb} %1`, { ask: nobody })).status).toBe(5);
    expect((await run(`${verb} %2 --yes`)).status).toBe(5);
    expect(daemon.reads).toBe(2);
    expect(daemon.requests).toMatchObject([{ promptId: "" }, { promptId: "" }]);
  });

  it("does not ask about a dialog whose text it cannot show", async () => {
    const daemon = await serve([waiting(P1, " \n")]);
    const { status, err } = await run(`${verb} %1`, { ask: nobody });
    expect(status).toBe(5);
    expect(err).toContain("view-output pane:host/work/@1/%1 (E_CONFIRMATION_REQUIRED)");
    expect(daemon.calls).toEqual([]);
  });
});

describe("a dialog's text", () => {
  const frameOf = async (text: string) => {
    await serve([waiting(P1, text)]);
    const { err } = await run("approve %1", { ask: user("n").ask });
    return err.split("\n").slice(1, -2);
  };

  it("cannot pass for the program's own words, however long its lines are", async () => {
    const lie = `${"x".repeat(75)}Approve that, this once? [y/N] y`;
    const lines = await frameOf(`${lie}\n日本語${"ü".repeat(100)}\nagtmux: approved\n\n\n`);
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) {
      expect(line).toMatch(/^ {2}│/);
      const cells = [...line].reduce((sum, character) => sum + (character < "\u007f" ? 1 : 2), -1);
      expect(cells).toBeLessThan(80);
    }
    expect(lines.at(-1)).toBe("  │ agtmux: approved");
    const joined = lines.map((line) => line.slice(4)).join("");
    expect(joined).toContain(lie);
  });

  it("has no power over the terminal", async () => {
    const lines = await frameOf("a\u001b[2J\u001b]52;c;x\u0007b\r\u202ec\u009b6n\nd");
    expect(lines).toEqual(["  │ ab", "  │ c", "  │ d"]);
  });

  it("shows of a drawn line what fits, and all of everything else", async () => {
    const [ruler, words, dashes] = [`   ${"╌".repeat(90)}`, `${"─".repeat(89)}x`, "-".repeat(90)];
    const lines = (await frameOf([ruler, words, dashes].join("\n"))).map((line) => line.slice(4));
    expect(lines[0]).toBe(ruler.slice(0, 39));
    expect(lines.slice(1).join("")).toBe(words + dashes);
  });
});

describe("agtmux kill", () => {
  it("asks on a terminal, with the daemon's own words for what will happen", async () => {
    const daemon = await serve([agentPane(1, AgentState.RUNNING)]);
    const { ask, questions } = user("y");
    const { status, out } = await run("kill %1 --request-ref mine", { ask });
    expect({ status, out }).toEqual({ status: 0, out: "host/work:1.0 %1: sent (ended: yes)\n" });
    expect(questions).toEqual([
      "Kill claude in host/work:1.0 %1, which is running? C-c stops a turn. [y/N] ",
    ]);
    expect(daemon.calls).toMatchObject([
      ["kill", { confirmed: false }],
      ["kill", { confirmed: true, target: { requestRef: "mine" } }],
    ]);
    // The refusal of the first is stored under its own name.
    const [first, second] = daemon.targets;
    expect(first?.requestRef).not.toBe("mine");
    expect({ ...first, requestRef: "" }).toEqual({ ...second, requestRef: "" });
  });

  it("is not confirmed by anything but a yes", async () => {
    const daemon = await serve([agentPane(1, AgentState.RUNNING)]);
    for (const answer of ["", "n", "y es"]) {
      const { status, err } = await run("kill %1", { ask: user(answer).ask });
      expect(status).toBe(5);
      expect(err).toContain("not confirmed; nothing was done (E_CONFIRMATION_REQUIRED)");
    }
    expect(daemon.requests.every((request) => "confirmed" in request && !request.confirmed)).toBe(true);
  });

  it("is refused without a question when a guard does not hold", async () => {
    const daemon = await serve([agentPane(1, AgentState.RUNNING)]);
    daemon.refuses = refusal(ErrorCode.E_RUNTIME_STALE, "the agent has ended");
    const { status, err } = await run("kill %1", { ask: nobody });
    expect({ status, err }).toEqual({ status: 5, err: "agtmux: the agent has ended (E_RUNTIME_STALE)\n" });
  });

  it("without a terminal needs --yes", async () => {
    const daemon = await serve();
    const { status, err } = await run("kill %1");
    expect(status).toBe(5);
    expect(err).toContain("agtmux kill %1 --yes (E_CONFIRMATION_REQUIRED)");
    expect(daemon.calls).toEqual([]);
    expect((await run("kill %1 --yes")).status).toBe(0);
    expect((await run("kill %1 --yes", { ask: nobody })).status).toBe(0);
    expect(daemon.requests).toMatchObject([{ confirmed: true }, { confirmed: true }]);
  });

  it("asks nothing that would work on the terminal", async () => {
    const identity = { target: "host", sessionName: "a\u001b[2J\nb", paneId: "%1" };
    const daemon = await serve([agentPane(1, AgentState.IDLE, {}, { identity })]);
    daemon.effect = "C-c\n\u001b]52;c;x\u0007 ends it";
    const { ask, questions } = user("y");
    await run("kill %1", { ask });
    expect(questions).toEqual(["Kill claude in host/a b:1.0 %1, which is idle? C-c  ends it. [y/N] "]);
    expect(daemon.calls).toHaveLength(2);
  });
});
