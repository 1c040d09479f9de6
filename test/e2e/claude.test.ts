import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/daemon.js";
import type { AgentDriver } from "./lab/agent-driver.js";
import { type Lab, startLab } from "./lab/lab.js";
import { printLags } from "./support/lags.js";
import { Observer, stateWord } from "./support/observer.js";
import { Scenario } from "./support/scenario.js";

const READY = /\? for shortcuts/;
const BUSY = /esc to interrupt/;

/** What a user sees of Claude Code from its start to its end, with and without our hooks. */
describe.each([
  { mode: "without hooks", hooks: false },
  { mode: "with hooks", hooks: true },
])("TC-063 the real Claude Code, $mode", ({ mode, hooks }) => {
  const suite = `claude ${mode}`;
  let lab: Lab;
  let observer: Observer;
  let claude: AgentDriver;
  let scenario: Scenario;

  beforeAll(async () => {
    lab = await startLab();
    observer = await Observer.start(lab.terminal.socketPath);
    claude = await lab.startClaude({
      session: "work",
      prepareHome: async ({ homeDir }) => {
        if (!hooks) return;
        await observer.daemon.client.hooks.applyHooks({ scope: { home: homeDir, agents: ["claude"] } });
      },
    });
    scenario = new Scenario(suite, observer, claude);
  }, 60_000);

  afterAll(async () => {
    printLags(suite);
    await observer?.close();
    await lab?.close();
  });

  it("is seen as idle once it takes a prompt", async () => {
    const [start] = claude.actions;
    if (start === undefined) throw new Error("the driver notes its start");
    await scenario.sees({
      name: "start",
      action: start,
      state: "idle",
      between: ["unknown", "waiting_input", "gone"],
    });
    const agent = await observer.agent(claude.paneId);
    expect(agent?.agentType).toBe("claude");
    expect(Number(agent?.agentPid)).toBe(await claude.agentPid());
  });

  it("runs on a prompt and is completed at the turn's end", async () => {
    const action = await claude.prompt("hello");
    await scenario.sees({ name: "prompt", action, state: "running", screen: BUSY });
    await scenario.sees({
      name: "turn end",
      action,
      state: "completed",
      screen: /done \d/,
      between: ["running"],
    });
  });

  it("waits for approval, with the dialog's text, and runs on when approved", async () => {
    const asked = await claude.prompt("run tool long");
    await claude.waitDialog();
    await scenario.sees({
      name: "approval asked",
      action: asked,
      state: "waiting_approval",
      reason: "permission_request",
      between: ["running"],
    });
    const agent = await promptOf(observer, claude.paneId);
    expect(agent.promptText).toContain("Do you want to proceed?");
    const approved = await claude.approve();
    await scenario.sees({ name: "approved", action: approved, state: "running" });
    await scenario.sees({
      name: "tool end",
      action: approved,
      state: "completed",
      between: ["running"],
      timeoutMs: 20_000,
    });
  });

  it("is idle when a tool is refused", async () => {
    const asked = await claude.prompt("run tool touch");
    await claude.waitDialog();
    await scenario.sees({ name: "asked", action: asked, state: "waiting_approval", between: ["running"] });
    const action = await claude.deny();
    await scenario.sees({ name: "refused", action, state: "idle", screen: READY, between: ["running"] });
    await scenario.stays("idle", 1_000);
  });

  it("is idle after Esc while the answer streams", async () => {
    const asked = await claude.prompt("slow");
    await scenario.sees({ name: "streaming", action: asked, state: "running" });
    await claude.waitForScreen(/[✻✽✶✢·*] \S+… \(\d+s/, 10_000);
    const action = await claude.escape();
    await scenario.sees({ name: "Esc while streaming", action, state: "idle", screen: /Interrupted/ });
    await scenario.stays("idle", 1_000);
  });

  it("is idle after Esc while a tool runs", async () => {
    const asked = await claude.prompt("run tool long");
    await claude.waitDialog();
    await scenario.sees({
      name: "asked again",
      action: asked,
      state: "waiting_approval",
      between: ["running"],
    });
    const approved = await claude.approve();
    await scenario.sees({ name: "tool runs", action: approved, state: "running" });
    await claude.waitForScreen(BUSY, 5_000);
    const action = await claude.escape();
    await scenario.sees({ name: "Esc while a tool runs", action, state: "idle", between: ["running"] });
  });

  it("keeps running through a queued prompt until its own end", async () => {
    const first = await claude.prompt("slow");
    await scenario.sees({ name: "first of two", action: first, state: "running" });
    await claude.waitForScreen(/[✻✽✶✢·*] \S+… \(\d+s/, 10_000);
    await claude.prompt("hello");
    const seen = await scenario.sees({
      name: "queued prompt's end",
      action: first,
      state: "completed",
      between: ["running"],
      timeoutMs: 30_000,
    });
    expect(await claude.screen()).toMatch(/ready\./);
    const wrong = observer
      .history(claude.paneId)
      .filter(({ atMs, state }) => atMs > seen.atMs && state !== "completed");
    expect(wrong).toEqual([]);
  });

  it("waits for input when it asks a question, and is idle when that is refused", async () => {
    const asked = await claude.prompt("ask question");
    await claude.waitDialog();
    await scenario.sees({ name: "question", action: asked, state: "waiting_input", between: ["running"] });
    const action = await claude.escape();
    await scenario.sees({ name: "question refused", action, state: "idle", between: ["running"] });
  });

  it("shows an API error until the next prompt", async () => {
    const failed = await claude.prompt("fail400");
    await scenario.sees({
      name: "API error",
      action: failed,
      state: "error",
      screen: /API Error/,
      between: ["running", "idle"],
    });
    await scenario.stays("error", 1_000);
    const action = await claude.prompt("hello");
    await scenario.sees({ name: "after the error", action, state: "completed", between: ["running"] });
  });

  it("leaves the list at /exit", async () => {
    const action = await claude.exit();
    const seen = await scenario.sees({
      name: "/exit",
      action,
      state: "gone",
      between: ["completed", "idle", "running", "unknown"],
    });
    expect(seen.atMs - action.atMs).toBeGreaterThan(0);
  });

  it("leaves the list at SIGKILL, and a new one in a shell is another runtime", async () => {
    const second = await lab.startClaude({ session: "shell", shell: true });
    const [start] = second.actions;
    const inShell = new Scenario(suite, observer, second);
    if (start === undefined) throw new Error("the driver notes its start");
    await inShell.sees({
      name: "start in a shell",
      action: start,
      state: "idle",
      between: ["unknown", "waiting_input", "gone"],
    });
    const action = await second.kill("SIGKILL");
    await inShell.sees({ name: "SIGKILL", action, state: "gone" });
  });
});

describe("TC-063 a Claude Code that was there before the daemon", () => {
  it("is recognised within 2 s and its state is right or unknown", async () => {
    const lab = await startLab();
    try {
      const idle = await lab.startClaude({ session: "idle" });
      const asking = await lab.startClaude({ session: "asking" });
      await asking.prompt("run tool touch");
      await asking.waitDialog();
      const observer = await Observer.start(lab.terminal.socketPath);
      try {
        const from = Date.now();
        const first = await observer.until(idle.paneId, ["idle", "unknown"], 0, 2_000);
        const second = await observer.until(asking.paneId, "waiting_approval", 0, 2_000);
        console.log(`found ${first.atMs - from} ms and ${second.atMs - from} ms after the first read`);
        const agent = await observer.agent(idle.paneId);
        expect(["idle", "unknown"]).toContain(agent === undefined ? "" : stateWord(agent.state));
      } finally {
        await observer.close();
      }
    } finally {
      await lab.close();
    }
  }, 60_000);
});

describe("TC-074 a Claude Code whose daemon is killed in the middle of a turn", () => {
  it("is not disturbed, and is shown right by the next daemon, with what its hooks spooled meanwhile", async () => {
    const lab = await startLab();
    const root = mkdtempSync(join(tmpdir(), "agtmux-e2e-"));
    const first = await Observer.start(lab.terminal.socketPath, { stateDir: root });
    try {
      const claude = await lab.startClaude({
        session: "work",
        prepareHome: async ({ homeDir }) => {
          await first.daemon.client.hooks.applyHooks({ scope: { home: homeDir, agents: ["claude"] } });
        },
      });
      const asked = await claude.prompt("slow");
      const running = await first.until(claude.paneId, "running", asked.atMs, 5_000);
      await first.daemon.end("SIGKILL");
      await claude.waitForScreen(/done \d/, 20_000);
      const from = Date.now();
      const second = await Observer.start(lab.terminal.socketPath, { stateDir: root });
      try {
        const seen = await second.until(claude.paneId, "completed", from, 5_000);
        expect(seen.agent?.runtimeId, "the runtime is the same one").toBe(running.agent?.runtimeId);
        const stops = await eventually("the spooled Stop", async () => {
          const { events } = await second.daemon.client.events.listEvents({ limit: 200 });
          const found = events.filter(({ eventType }) => eventType === "Stop");
          return found.length > 0 ? found : undefined;
        });
        expect(stops.map(({ spooled }) => spooled)).toEqual([true]);
        const spool = join(root, "state", "spool.d", "local");
        expect(readdirSync(spool).filter((name) => name.endsWith(".json"))).toEqual([]);
      } finally {
        await second.close();
      }
    } finally {
      await first.close();
      await lab.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    }
  }, 90_000);
});

/** The dialog's text is read off the screen up to half a second after the agent says that it waits. */
async function promptOf(observer: Observer, paneId: string) {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const agent = await observer.agent(paneId);
    if (agent !== undefined && agent.promptId !== "") return agent;
    if (Date.now() > deadline) throw new Error("the dialog's text was not read");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
