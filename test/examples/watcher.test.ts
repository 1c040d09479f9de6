import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Scene } from "../daemon/support/scene.js";
import { TestDaemon } from "../support/daemon.js";
import { EXAMPLES, environment, ROOT, Running } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "agtmux-watcher-"));
const generated = join(folder, "gen-py");
let scene: Scene;

beforeAll(async () => {
  mkdirSync(generated);
  const contract = readdirSync(join(ROOT, "proto", "agtmux", "v1")).map((name) => join("agtmux", "v1", name));
  const plugin = execFileSync("sh", ["-c", "command -v grpc_python_plugin"], { encoding: "utf8" }).trim();
  const out = [`--python_out=${generated}`, `--grpc_python_out=${generated}`];
  execFileSync("protoc", ["-I", "proto", `--plugin=protoc-gen-grpc_python=${plugin}`, ...out, ...contract], {
    cwd: ROOT,
    stdio: "inherit",
  });
  scene = await Scene.start({ stateDir: join(folder, "daemon") });
});
afterAll(async () => {
  await scene.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

it("the example watcher.py prints every change, and goes on after a restart of the daemon", async () => {
  const agent = await scene.agentIn("idle", "new-session", "-d", "-s", "work");
  const env = { ...environment(scene), PYTHONPATH: generated };
  const watcher = new Running("/usr/bin/python3", [join(EXAMPLES, "watcher.py")], { env });
  const line = (state: string) => `${state} claude pane:lab/work/@0/${agent.paneId} `;
  const says = (text: string) =>
    watcher.until(text, ({ lines }) => lines.some((each) => each.startsWith(text)));
  await says(line("idle"));
  await scene.untilState(agent, "busy");
  await says(line("running"));
  await scene.daemon.end();
  await says("reset shutdown");
  const next = await TestDaemon.start({ stateDir: join(folder, "daemon") });
  try {
    await says("reset stream_changed");
    agent.say("permission prompt");
    await says(line("waiting_approval"));
    process.kill(agent.pid, "SIGKILL");
    await says(`gone lab work ${agent.paneId}`);
    expect(await watcher.end()).toBe(0);
    expect(watcher.stderr).toBe("");
  } finally {
    await next.close();
  }
});
