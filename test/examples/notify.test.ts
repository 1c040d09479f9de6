import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Scene } from "../daemon/support/scene.js";
import { TestDaemon } from "../support/daemon.js";
import { EXAMPLES, environment, ROOT, Running } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "agtmux-notify-"));
let scene: Scene;

beforeAll(async () => {
  // The client as it is published, with the packages that it asks for.
  const pack = join(folder, "pack");
  execFileSync(process.execPath, ["scripts/pack.mjs", pack], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "@agtmux"), { recursive: true });
  cpSync(join(pack, "client"), join(modules, "@agtmux", "client"), { recursive: true });
  for (const name of ["@bufbuild", "@connectrpc", "@types"])
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  cpSync(join(EXAMPLES, "notify.ts"), join(folder, "notify.ts"));
  scene = await Scene.start({ stateDir: join(folder, "daemon") });
}, 120_000);
afterAll(async () => {
  await scene.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function notify(...words: string[]): Running {
  return new Running(process.execPath, ["notify.ts", ...words], { env: environment(scene), cwd: folder });
}

it("the example notify.ts type-checks against the published client", () => {
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const options = ["--noEmit", "--module", "nodenext", "--target", "es2023", "--strict", "--types", "node"];
  execFileSync(process.execPath, [tsc, ...options, "--erasableSyntaxOnly", "notify.ts"], {
    cwd: folder,
    stdio: "inherit",
  });
});

it("the example notify.ts tells of each that begins to wait once, and goes on after a restart", async () => {
  const agent = await scene.agentIn("permission prompt", "new-session", "-d", "-s", "work");
  const other = await scene.agentIn("busy", "new-session", "-d", "-s", "other");
  const printing = notify();
  const running = notify("printf", "%s|%s\n", "told");
  const both = [printing, running];
  const first = `WAITING_APPROVAL claude pane:lab/work/@0/${agent.paneId} `;
  for (const each of both) await each.until("who waits already", ({ lines }) => lines.length === 1);
  expect(printing.lines[0]).toContain(first);
  expect(running.lines[0]).toContain(`told|${first}`);
  scene.tmux("rename-session", "-t", "=work", "renamed");
  await scene.untilPane("the rename", ({ identity }) => identity?.sessionName === "renamed");
  await scene.untilState(agent, "busy");
  await scene.untilState(agent, "input needed");
  for (const each of both) await each.until("the next time", ({ lines }) => lines.length === 2);
  await scene.daemon.end();
  const next = await TestDaemon.start({ stateDir: join(folder, "daemon") });
  try {
    other.say("permission prompt");
    for (const each of both) await each.until("the other one", ({ lines }) => lines.length === 3);
    expect(printing.lines.map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      first.trim(),
      `WAITING_INPUT claude pane:lab/renamed/@0/${agent.paneId}`,
      `WAITING_APPROVAL claude pane:lab/other/@1/${other.paneId}`,
    ]);
    expect(printing.stderr).toContain("again in");
    expect(await Promise.all(both.map((each) => each.end()))).toEqual([0, 0]);
  } finally {
    await next.close();
  }
});

it("the example notify.ts says so where no daemon runs", async () => {
  const env = { ...environment(scene), AGTMUX_STATE_DIR: "/nowhere" };
  const lost = new Running(process.execPath, ["notify.ts"], { env, cwd: folder });
  await expect(lost.until("anything", () => false)).rejects.toThrow("agtmux daemon start");
  expect(await lost.end()).toBe(1);
});
