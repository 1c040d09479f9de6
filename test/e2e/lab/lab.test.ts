import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { agentsInstalled } from "./agent-binaries.js";
import type { AgentDriver } from "./agent-driver.js";
import { type Lab, startLab } from "./lab.js";

const START_TIMEOUT_MS = 90_000;
const SCENARIO_TIMEOUT_MS = 60_000;
const SOON_MS = 10_000;

describe.skipIf(!(await agentsInstalled()))("the lab drives the real agents", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab();
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await lab?.close();
  }, START_TIMEOUT_MS);

  it.each(["claude", "codex"] as const)(
    "%s: prompt, approve, deny, interrupt, exit",
    async (agent) => {
      const session = `smoke-${agent}`;
      const driver = await (agent === "claude" ? lab.startClaude({ session }) : lab.startCodex({ session }));
      await promptIsAnswered(driver);
      await onlyApprovedToolRuns(driver);
      await streamingIsInterrupted(driver);
      await driver.exit();
      expect(driver.actions.map((action) => action.name)).toEqual([
        ...["start", "prompt", "prompt", "deny", "prompt", "approve", "prompt", "escape", "exit"],
      ]);
    },
    SCENARIO_TIMEOUT_MS,
  );

  it.each(["claude", "codex"] as const)(
    "%s typed into a shell is found and killed",
    async (agent) => {
      const options = { session: `shell-${agent}`, shell: true };
      const driver = await (agent === "claude" ? lab.startClaude(options) : lab.startCodex(options));
      expect(await driver.agentPid()).not.toBe(await lab.terminal.panePid(driver.paneId));
      await driver.kill("SIGKILL");
      // The killed program's last screen stays, so only the foreground command tells.
      await expect.poll(() => lab.terminal.format(driver.paneId, "#{pane_current_command}")).toBe("bash");
    },
    SCENARIO_TIMEOUT_MS,
  );

  async function promptIsAnswered(driver: AgentDriver): Promise<void> {
    const request = lab.mock.nextRequest((seen) => seen.text.includes("hello"), SOON_MS);
    const prompt = await driver.prompt("hello there");
    expect((await request).atMs).toBeGreaterThanOrEqual(prompt.atMs);
    await driver.waitForScreen(/Hello from the mock model/, SOON_MS);
  }

  async function onlyApprovedToolRuns(driver: AgentDriver): Promise<void> {
    const made = join(lab.workDir, "made-by-agent.txt");
    rmSync(made, { force: true });
    await driver.prompt("run tool touch");
    await driver.deny();
    await driver.waitForScreen(/interrupted/i, SOON_MS);
    expect(existsSync(made)).toBe(false);
    await driver.prompt("run tool touch");
    await driver.approve();
    await driver.waitForScreen(/The tool has finished/, SOON_MS);
    await expect.poll(() => existsSync(made)).toBe(true);
  }

  async function streamingIsInterrupted(driver: AgentDriver): Promise<void> {
    const request = lab.mock.nextRequest((seen) => seen.kind === "slow", SOON_MS);
    await driver.prompt("slow please");
    await request;
    await driver.escape();
    // The first one on the screen is the denied tool's.
    await driver.waitForScreen(/(interrupted[\s\S]*){2}/i, SOON_MS);
  }
});
