import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentDriver } from "./lab/agent-driver.js";
import { type Lab, startLab } from "./lab/lab.js";
import { printLags } from "./support/lags.js";
import { Observer } from "./support/observer.js";
import { Scenario } from "./support/scenario.js";

/** A turn that the title alone tells of may be seen a poll later than one that the app-server announces. */
const POLLED_MS = 8_000;

/** What a user sees of Codex from its start to its end: with its shared daemon and without, with our hooks and without. */
describe.each([
  { mode: "with its daemon", args: [], hooks: false },
  { mode: "with its daemon and hooks", args: [], hooks: true },
  { mode: "without its daemon", args: ["--no-daemon"], hooks: false },
  { mode: "without its daemon, with hooks", args: ["--no-daemon"], hooks: true },
])("TC-063 the real Codex, $mode", ({ mode, args, hooks }) => {
  const suite = `codex ${mode}`;
  let lab: Lab;
  let observer: Observer;
  let codex: AgentDriver;
  let scenario: Scenario;

  beforeAll(async () => {
    lab = await startLab();
    observer = await Observer.start(lab.terminal.socketPath);
    codex = await lab.startCodex({
      session: "work",
      args,
      prepareHome: async ({ homeDir, configDir }) => {
        if (!hooks) return;
        const scope = { home: homeDir, agents: ["codex"], environment: { CODEX_HOME: configDir } };
        await observer.daemon.client.hooks.applyHooks({ scope });
      },
    });
    scenario = new Scenario(suite, observer, codex);
  }, 90_000);

  afterAll(async () => {
    printLags(suite);
    await observer?.close();
    await lab?.close();
  });

  const sees = (step: Parameters<Scenario["sees"]>[0]) => scenario.sees({ timeoutMs: POLLED_MS, ...step });

  it("is seen as idle once it takes a prompt", async () => {
    const [start] = codex.actions;
    if (start === undefined) throw new Error("the driver notes its start");
    await sees({
      name: "start",
      action: start,
      state: "idle",
      between: ["unknown", "waiting_input", "gone"],
      timeoutMs: 15_000,
    });
    const agent = await observer.agent(codex.paneId);
    expect(agent?.agentType).toBe("codex");
    expect(Number(agent?.agentPid)).toBe(await codex.agentPid());
  });

  it("runs on a prompt and is completed at the turn's end", async () => {
    const action = await codex.prompt("slow");
    await sees({ name: "prompt", action, state: "running" });
    await sees({
      name: "turn end",
      action,
      state: "completed",
      screen: /Worked for/,
      between: ["running"],
      timeoutMs: 25_000,
    });
  });

  it("waits for approval, with the dialog's text, and runs on when approved", async () => {
    const asked = await codex.prompt("run tool long escalate");
    await codex.waitDialog();
    await sees({ name: "approval asked", action: asked, state: "waiting_approval", between: ["running"] });
    const approved = await codex.approve();
    await sees({ name: "approved", action: approved, state: "running" });
    await sees({
      name: "tool end",
      action: approved,
      state: "completed",
      between: ["running"],
      timeoutMs: 25_000,
    });
  });

  it("is idle when a tool is refused", async () => {
    const asked = await codex.prompt("run tool touch escalate");
    await codex.waitDialog();
    await sees({ name: "asked", action: asked, state: "waiting_approval", between: ["running"] });
    const action = await codex.deny();
    await sees({ name: "refused", action, state: "idle", screen: /interrupted/, between: ["running"] });
    await scenario.stays("idle", 1_500);
  });

  it("is idle after Esc while the answer streams", async () => {
    const asked = await codex.prompt("slow");
    await sees({ name: "streaming", action: asked, state: "running" });
    await codex.waitForScreen(/word3/, 15_000);
    const action = await codex.escape();
    await sees({ name: "Esc while streaming", action, state: "idle", screen: /interrupted/ });
    await scenario.stays("idle", 1_500);
  });

  it("is idle after Esc while a tool runs", async () => {
    const asked = await codex.prompt("run tool long escalate");
    await codex.waitDialog();
    await sees({ name: "asked again", action: asked, state: "waiting_approval", between: ["running"] });
    const approved = await codex.approve();
    await sees({ name: "tool runs", action: approved, state: "running" });
    const action = await codex.escape();
    await sees({ name: "Esc while a tool runs", action, state: "idle", between: ["running"] });
  });

  it("keeps running through a prompt that steers it until its own end", async () => {
    const first = await codex.prompt("slow");
    await sees({ name: "first of two", action: first, state: "running" });
    await codex.waitForScreen(/word3/, 15_000);
    await codex.prompt("hello");
    await sees({
      name: "steered turn's end",
      action: first,
      state: "completed",
      between: ["running"],
      timeoutMs: 30_000,
    });
    expect(await codex.screen()).toMatch(/ready\./);
  });

  it("shows an API error until the next prompt", async () => {
    const failed = await codex.prompt("fail400");
    await sees({ name: "API error", action: failed, state: "error", between: ["running", "idle"] });
    await scenario.stays("error", 1_500);
    const action = await codex.prompt("slow");
    await sees({ name: "after the error", action, state: "running" });
    await codex.escape();
    await sees({ name: "Esc again", action, state: "idle", between: ["running"] });
  });

  it("leaves the list at /exit", async () => {
    const action = await codex.exit();
    await sees({
      name: "/exit",
      action,
      state: "gone",
      between: ["idle", "completed", "running", "unknown"],
    });
  });
});

describe("TC-016 two Codex in one folder, on one daemon, with hooks", () => {
  it("each pane shows its own turn, and SIGKILL ends its own row alone", async () => {
    const lab = await startLab();
    const observer = await Observer.start(lab.terminal.socketPath);
    try {
      const first = await lab.startCodex({
        session: "first",
        prepareHome: async ({ homeDir, configDir }) => {
          const scope = { home: homeDir, agents: ["codex"], environment: { CODEX_HOME: configDir } };
          await observer.daemon.client.hooks.applyHooks({ scope });
        },
      });
      const second = await lab.startCodex({ session: "second", home: first.home });
      await observer.until(second.paneId, "idle", 0, 15_000);
      const asked = await second.prompt("slow");
      await observer.until(second.paneId, "running", asked.atMs, POLLED_MS);
      await second.waitForScreen(/word5/, 15_000);
      const others = observer.history(first.paneId).filter(({ atMs }) => atMs >= asked.atMs);
      expect(others.map(({ state }) => state).filter((state) => state !== "idle")).toEqual([]);
      const action = await second.kill("SIGKILL");
      await observer.until(second.paneId, "gone", action.atMs, 2_000);
      expect(observer.history(first.paneId).at(-1)?.state).toBe("idle");
    } finally {
      await observer.close();
      await lab.close();
    }
  }, 90_000);
});
