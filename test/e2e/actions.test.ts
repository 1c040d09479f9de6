import { execFileSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KillMode, KillSignal, Outcome, ResultCode } from "../../gen/agtmux/v1/action_pb.js";
import { AgentState, AgtmuxError } from "../../src/client/index.js";
import { eventually } from "../support/daemon.js";
import { LoopbackSshd } from "../targets/ssh/loopback-sshd.js";
import type { AgentDriver } from "./lab/agent-driver.js";
import { type Lab, startLab } from "./lab/lab.js";
import { Hand, refusal } from "./support/hand.js";
import { Observer } from "./support/observer.js";

const AT_REST = ["idle", "completed"];
const WAIT_MS = 20_000;
const HARD_TEXT = `it's "quoted"; #{pane_id} #(touch canary) $(touch canary) \`touch canary\` %1 \\ * ~ ünï 漢字 🎉 é`;
const TEN_LINES = Array.from({ length: 10 }, (_, at) => `line ${at}: ${HARD_TEXT}`).join("\n");
const LARGE = `${"all work and no play ".repeat(5_000)}the end`;

describe.each([
  { agent: "claude" as const, args: [], where: "here" },
  { agent: "codex" as const, args: ["--no-daemon"], where: "here" },
  { agent: "claude" as const, args: [], where: "over ssh" },
  { agent: "codex" as const, args: ["--no-daemon"], where: "over ssh" },
])("actions on the real $agent $where", ({ agent, args, where }) => {
  let lab: Lab;
  let sshd: LoopbackSshd | undefined;
  let observer: Observer;
  let driver: AgentDriver;
  let hand: Hand;
  let sinceMs = 0;

  const tmux = (...words: string[]): string =>
    execFileSync("tmux", ["-S", lab.terminal.socketPath, ...words]).toString();
  const keys = (...names: string[]): string => tmux("send-keys", "-t", hand.paneId, ...names);
  const actions = () => observer.daemon.client.actions;
  const now = (): void => {
    sinceMs = Date.now();
  };
  const until = (state: string | readonly string[]) => observer.until(hand.paneId, state, sinceMs, WAIT_MS);
  const state = async (): Promise<AgentState | undefined> => (await hand.pane()).agent?.state;
  /** At rest, and not for a moment only: without hooks a short turn may show late, or not at all. */
  const atRest = async () => {
    let since = performance.now();
    await eventually("the agent to be at rest", async () => {
      const found = await state();
      if (found !== AgentState.IDLE && found !== AgentState.COMPLETED) since = performance.now();
      return performance.now() - since > 1_200 ? true : undefined;
    });
  };
  const made = join("made-by-agent.txt");
  const file = (): string => join(lab.workDir, made);

  /** Sends a prompt and waits for what the mock model is asked then. */
  async function prompted(text: string): Promise<string> {
    now();
    const asked = lab.mock.nextRequest(({ kind }) => kind !== "side-job", WAIT_MS);
    // The turn before may show its end between the look and the send, which is refused then.
    const { result, submitted } = await eventually("the prompt to be sent", async () => {
      try {
        return await actions().send({ target: await hand.target(), text, enter: true });
      } catch (error) {
        if (error instanceof AgtmuxError && error.details["reason"] === "state_changed") return undefined;
        throw error;
      }
    });
    expect([result?.resultCode, submitted]).toEqual([ResultCode.OK, Outcome.YES]);
    return (await asked).text;
  }

  /** Has the agent ask for approval of a command; the dialog as a client reads it. */
  async function asking(prompt: string): Promise<{ promptId: string; promptText: string }> {
    rmSync(file(), { force: true });
    await prompted(prompt);
    return read();
  }

  function read(other = ""): Promise<{ promptId: string; promptText: string }> {
    return eventually("the dialog's text to be read", async () => {
      const found = (await hand.pane()).agent;
      return found?.promptId && found.promptId !== other
        ? { promptId: found.promptId, promptText: found.promptText }
        : undefined;
    });
  }

  beforeAll(async () => {
    lab = await startLab();
    if (where === "over ssh") {
      sshd = await LoopbackSshd.start();
      const env = { AGTMUX_SSH_CONFIG: sshd.configFile };
      observer = await Observer.start(lab.terminal.socketPath, { env }, "vm1");
    } else observer = await Observer.start(lab.terminal.socketPath);
    const options = { session: "work", args };
    driver = agent === "claude" ? await lab.startClaude(options) : await lab.startCodex(options);
    hand = new Hand(observer.daemon, driver.paneId);
    await until(AT_REST);
  }, 90_000);

  afterAll(async () => {
    await observer?.close();
    await lab?.close();
    await sshd?.close();
  });

  it.each([
    ["one line", "hello there"],
    ["a line of everything that a shell, tmux or JSON might read", HARD_TEXT],
    ["a line that brings up a menu", "look at @made"],
    ["ten lines", TEN_LINES],
    ["a hundred kilobytes", LARGE],
  ])("TC-027 %s arrives verbatim, submitted once", async (_, text) => {
    writeFileSync(file(), "");
    const before = lab.mock.requests.length;
    const received = await prompted(text);
    // Claude Code puts marks of its own around what was pasted.
    expect(received.replace(/^\s*<pasted_content[^>]*>\n|\n<\/pasted_content[^>]*>\s*$/gu, "").trim()).toBe(
      text.trim(),
    );
    await atRest();
    const prompts = lab.mock.requests.slice(before).filter(({ kind }) => kind !== "side-job");
    expect(prompts).toHaveLength(1);
    expect(existsSync(join(lab.workDir, "canary"))).toBe(false);
  });

  it("TC-027 text is not put behind a draft that the user has typed, unless asked to", async () => {
    await atRest();
    keys("h", "a", "l", "f");
    await driver.waitForScreen(/[❯›]\s?half/u, WAIT_MS);
    const call = async (overDraft: boolean) =>
      actions().send({ target: await hand.target(), text: " done", overDraft });
    expect(await refusal(call(false))).toBe("E_PRECONDITION_FAILED draft_present");
    expect((await call(true)).result?.resultCode).toBe(ResultCode.OK);
    await driver.waitForScreen(/[❯›]\s?half done/u, WAIT_MS);
    keys("C-u");
    await driver.waitForScreen(/[❯›]\s?(?!half)/u, WAIT_MS);
  });

  it("TC-027 nothing is sent into copy mode, a pane that takes no input, or synchronised panes", async () => {
    await atRest();
    const call = async () => refusal(actions().send({ target: await hand.target(), text: "x" }));
    tmux("copy-mode", "-t", hand.paneId);
    expect(await call()).toBe("E_PRECONDITION_FAILED pane_in_mode");
    tmux("send-keys", "-t", hand.paneId, "-X", "cancel");
    tmux("select-pane", "-d", "-t", hand.paneId);
    expect(await call()).toBe("E_PRECONDITION_FAILED pane_input_off");
    tmux("select-pane", "-e", "-t", hand.paneId);
    tmux("set-option", "-w", "-t", hand.paneId, "synchronize-panes", "on");
    expect(await call()).toBe("E_PRECONDITION_FAILED panes_synchronized");
    tmux("set-option", "-w", "-t", hand.paneId, "synchronize-panes", "off");
  });

  it("TC-062 a prompt sent at an approval dialog is refused, and the dialog stays", async () => {
    const { promptId } = await asking("run tool touch");
    for (const request of [{ text: "hello", enter: true }, { key: "Enter" }, { key: "1" }, { key: "y" }]) {
      const call = actions().send({ target: await hand.target(), ...request });
      expect(await refusal(call)).toBe("E_PRECONDITION_FAILED state");
    }
    const other = actions().approve({ target: await hand.target(), promptId: "0".repeat(32) });
    expect(await refusal(other)).toBe("E_PRECONDITION_FAILED prompt_changed");
    expect((await hand.pane()).agent?.promptId).toBe(promptId);
    expect(existsSync(file())).toBe(false);
  });

  it("TC-085 the dialog is the same one with another option marked and in a wider pane, and is approved", async () => {
    const { promptId, promptText } = await read();
    expect(promptText).toContain("touch made-by-agent.txt");
    keys("Down");
    tmux("resize-window", "-t", hand.paneId, "-x", "140", "-y", "45");
    await driver.waitForScreen(/[❯›]\s?2\. /u, WAIT_MS);
    // A look in the middle of a redraw may have seen another text; it is the same one again when all is drawn.
    let quietSince = performance.now();
    let version = 0n;
    await eventually("the screen to be read anew and to stay", async () => {
      const found = (await hand.pane()).agent;
      if (found?.stateVersion !== version || found.promptId !== promptId) quietSince = performance.now();
      version = found?.stateVersion ?? 0n;
      return performance.now() - quietSince > 1_500 ? true : undefined;
    });
    expect((await hand.pane()).width).toBe(140);
    now();
    const { result, closed } = await actions().approve({ target: await hand.target(), promptId });
    expect([result?.resultCode, closed]).toEqual([ResultCode.OK, Outcome.YES]);
    await eventually("the command to have run", () => existsSync(file()) || undefined);
    await until(AT_REST);
  });

  it("TC-062 deny takes the plain no: the command does not run and the agent rests", async () => {
    const { promptId } = await asking("run tool touch");
    now();
    const { closed } = await actions().deny({ target: await hand.target(), promptId });
    expect(closed).toBe(Outcome.YES);
    await until(AT_REST);
    expect(existsSync(file())).toBe(false);
    const late = actions().deny({ target: await hand.target(), promptId });
    expect(await refusal(late)).toBe("E_PRECONDITION_FAILED state");
  });

  it("TC-062 a file edit is approved for this once", async () => {
    const edited = join(lab.workDir, "new-file.txt");
    rmSync(edited, { force: true });
    const { promptId } = await asking("edit file");
    now();
    expect((await actions().approve({ target: await hand.target(), promptId })).closed).toBe(Outcome.YES);
    await until(AT_REST);
    expect(existsSync(edited)).toBe(true);
  });

  // Codex asks nothing about its plans.
  it.runIf(agent === "claude")(
    "TC-062 a plan is denied, and approved for the mode that asks each time",
    async () => {
      const screenShows = (mode: string): boolean =>
        tmux("capture-pane", "-p", "-t", hand.paneId).includes(mode);
      await eventually("plan mode", async () => {
        if (screenShows("plan mode on")) return true;
        keys("BTab");
        await delay(500);
        return undefined;
      });
      const denied = await asking("make plan");
      expect((await hand.pane()).agent?.reasonCode).toBe("plan_approval");
      now();
      const no = await actions().deny({ target: await hand.target(), promptId: denied.promptId });
      expect([no.result?.resultCode, no.closed]).toEqual([ResultCode.OK, Outcome.YES]);
      await until(AT_REST);
      expect(screenShows("plan mode on")).toBe(true);
      const { promptId, promptText } = await asking("make plan");
      expect(promptText).toContain("exit plan mode");
      now();
      expect((await actions().approve({ target: await hand.target(), promptId })).closed).toBe(Outcome.YES);
      await until(AT_REST);
      expect(screenShows("manual mode on")).toBe(true);
    },
  );

  it("TC-062 what a dialog quotes is shown whole, and never answered for", async () => {
    const { promptId, promptText } = await asking("run tool spoof");
    expect(promptText).toContain("touch made-by-agent.txt");
    expect(promptText).toContain("echo over");
    const target = await hand.target();
    if (agent === "claude") {
      // It marks each quoted line, so that its own options are told apart.
      expect((await actions().deny({ target, promptId })).closed).toBe(Outcome.YES);
    } else {
      expect(await refusal(actions().approve({ target, promptId }))).toBe(
        "E_PRECONDITION_FAILED no_such_option",
      );
      keys("Escape");
    }
    await atRest();
    expect(existsSync(file())).toBe(false);
  });

  it("TC-084 what may not be done to an agent that rests is refused, and what may be is done", async () => {
    await atRest();
    // Each is listened to from its beginning: a refusal nobody listens to fails the whole run.
    const refusals = [
      refusal(actions().approve({ target: await hand.target(), promptId: "0".repeat(32) })),
      refusal(actions().deny({ target: await hand.target(), promptId: "0".repeat(32) })),
      refusal(actions().interrupt({ target: await hand.target() })),
    ];
    expect(await Promise.all(refusals)).toEqual(Array(3).fill("E_PRECONDITION_FAILED state"));
    const { lines } = await actions().viewOutput({ target: await hand.target(), lines: 20 });
    expect(lines.length).toBeGreaterThan(0);
    const { argv } = await actions().attach({ target: await hand.target() });
    expect(argv.join(" ")).toContain("attach-session");
  });

  it("TC-084 a running agent is interrupted by its own key and keeps its program", async () => {
    await prompted("slow please");
    await until("running");
    const pid = await driver.agentPid();
    const approve = actions().approve({ target: await hand.target(), promptId: "0".repeat(32) });
    expect(await refusal(approve)).toBe("E_PRECONDITION_FAILED state");
    now();
    const { result, stopped } = await actions().interrupt({ target: await hand.target() });
    expect([result?.resultCode, stopped]).toEqual([ResultCode.OK, Outcome.YES]);
    await until("idle");
    expect(await driver.agentPid()).toBe(pid);
  });

  it("TC-084 a question is no approval, and takes text only if that is said", async () => {
    await prompted("ask question");
    await until("waiting_input");
    const { promptId } = await read();
    const target = await hand.target();
    expect(await refusal(actions().approve({ target, promptId }))).toBe("E_PRECONDITION_FAILED state");
    const blind = actions().send({ target: await hand.target(), key: "1" });
    expect(await refusal(blind)).toBe("E_PRECONDITION_FAILED state");
    // In its first moments a dialog takes a number for a mark only.
    await delay(500);
    now();
    const opened = await hand.target({ ifState: [AgentState.WAITING_INPUT] });
    expect((await actions().send({ target: opened, key: "1" })).result?.resultCode).toBe(ResultCode.OK);
    // In Codex a number only marks the option.
    if (agent === "codex") keys("Enter");
    await until(AT_REST);
  });

  it("TC-084 an agent that shows an error takes the next prompt", async () => {
    await prompted("fail400");
    await until("error");
    expect(await refusal(actions().interrupt({ target: await hand.target() }))).toBe(
      "E_PRECONDITION_FAILED state",
    );
    const { submitted } = await actions().send({ target: await hand.target(), text: "hello", enter: true });
    expect(submitted).toBe(Outcome.YES);
    await atRest();
  });

  it("TC-029 C-c is sent on confirmation alone, and what it does to the agent is told", async () => {
    await atRest();
    const unconfirmed = actions().kill({ target: await hand.target() });
    expect(await refusal(unconfirmed)).toBe("E_CONFIRMATION_REQUIRED");
    if (agent === "codex") return;
    const hint = driver.waitForScreen(/Press Ctrl-C again to exit/u, WAIT_MS);
    const { ended } = await actions().kill({ target: await hand.target(), confirmed: true });
    expect(ended).toBe(Outcome.NO);
    await hint;
    await driver.waitForScreen(/\? for shortcuts/u, WAIT_MS);
  });

  it("TC-030 a signal ends the agent; who acts on what was looked at before is refused", async () => {
    await atRest();
    const old = await hand.target();
    const signal = { mode: KillMode.SIGNAL, signal: KillSignal.TERM, confirmed: true };
    expect((await actions().kill({ target: await hand.target(), ...signal })).ended).toBe(Outcome.YES);
    for (const call of [
      refusal(actions().send({ target: old, text: "echo executed", enter: true })),
      refusal(actions().approve({ target: old, promptId: "0".repeat(32) })),
      refusal(actions().kill({ target: old, ...signal })),
    ]) {
      expect(await call).toMatch(/^E_(?:RUNTIME_STALE|REF_NOT_FOUND|IDEMPOTENCY_CONFLICT)$/u);
    }
  });

  it("TC-031 every action stands in the list, with who asked for it and what became of it", async () => {
    const { actions: listed } = await actions().listActions({ limit: 1_000 });
    expect(new Set(listed.map(({ actionType }) => actionType))).toEqual(
      new Set(["send", "approve", "deny", "interrupt", "kill", "view_output", "attach"]),
    );
    const executed = listed.find(
      ({ resultCode, actionType }) => resultCode === ResultCode.OK && actionType === "send",
    );
    const { events } = await observer.daemon.client.events.listEvents({
      filter: { actionId: executed?.actionId ?? "" },
    });
    expect(events.map(({ eventType }) => eventType).sort()).toEqual(["action.send.begun", "action.send.ok"]);
  });
});
