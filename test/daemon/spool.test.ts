import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AgentState } from "../../src/client/index.js";
import { hookScript } from "../../src/server/ingest/hook-script.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { Scene } from "./support/scene.js";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(async () => {
  await scene.close();
});

it("TC-074 what hooks report while no daemon runs is in force, once, when the next one serves", async () => {
  // An interactive shell by the agent's name: what is typed there runs below it, as hooks run below an agent.
  const shells = join(scene.terminal.directory, "shell");
  mkdirSync(shells);
  symlinkSync("/bin/sh", join(shells, "claude"));
  const script = join(scene.terminal.directory, "agtmux-hook");
  writeFileSync(script, hookScript(scene.daemon.stateDir), { mode: 0o700 });
  scene.terminal.start("new-session", "-d", "-s", "work", "-x", "200", `exec ${join(shells, "claude")}`);
  const { agent } = await scene.untilPane("the agent", (pane) => pane.agent !== undefined);
  const runtimeId = agent?.runtimeId ?? "";
  const spool = join(scene.daemon.stateDir, "spool.d", "local");
  const spooled = (): string[] =>
    existsSync(spool) ? readdirSync(spool).filter((name) => name.endsWith(".json")) : [];
  const hook = (event: string): void => {
    const payload = `{"hook_event_name":"${event}","session_id":"s-1"}`;
    scene.tmux("send-keys", "-t", "%0", "-l", `echo '${payload}' | ${script} claude ${event}`);
    scene.tmux("send-keys", "-t", "%0", "Enter");
  };

  await scene.daemon.end("SIGKILL");
  hook("UserPromptSubmit");
  await eventually("the event in the spool", () => spooled().length === 1);
  hook("PermissionRequest");
  await eventually("both in the spool", () => spooled().length === 2);
  writeFileSync(join(spool, "00000000000000000001-00000000-0000-4000-8000-000000000000.json"), "{ torn");
  writeFileSync(join(spool, "no event.json"), "x");

  const next = await TestDaemon.start({ stateDir: scene.daemon.root });
  Object.assign(scene, { daemon: next });
  // Its tmux server must be seen again first; then both are bound, to the runtime of before.
  const bound = await scene.untilPane("the spooled ones in force", ({ agent: found }) => {
    return found?.state === AgentState.WAITING_APPROVAL;
  });
  expect(bound.agent?.runtimeId).toBe(runtimeId);
  await eventually("the spool to be empty", () => spooled().length === 0);
  expect(readdirSync(join(spool, "rejected")).length).toBeGreaterThanOrEqual(2);

  hook("Stop");
  await scene.untilPane("the live one", ({ agent: found }) => found?.state === AgentState.COMPLETED);
  const { events } = await scene.client.events.listEvents({ filter: { runtimeId }, limit: 1_000 });
  const hooks = events.filter(({ eventType }) =>
    ["UserPromptSubmit", "PermissionRequest", "Stop"].includes(eventType),
  );
  expect(hooks.map(({ eventType, spooled: late }) => [eventType, late])).toEqual([
    ["Stop", false],
    ["PermissionRequest", true],
    ["UserPromptSubmit", true],
  ]);
  expect(spooled()).toEqual([]);
});
