import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AgentState,
  ErrorCode,
  type Pane,
  type Target,
  TargetHealth,
  TargetKind,
  toAgtmuxError,
} from "../../src/client/index.js";
import { CLI, environment } from "../client/support/real-program.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { LoopbackSshd } from "../targets/ssh/loopback-sshd.js";
import { createPrivateServer, type PrivateServer, signal } from "../tmux/private-server.js";
import { openFiles } from "./support/open-files.js";
import { Scene } from "./support/scene.js";
import { Watcher } from "./support/watcher.js";

/** Lost connections; nightly runs ask for more. */
const FLAPS = Number(process.env["AGTMUX_TEST_FLAPS"] ?? "50");

/** A daemon whose one tmux server with agents is that of an ssh target, beside a local one. */
describe("an ssh target", () => {
  let sshd: LoopbackSshd;
  let scene: Scene;
  let local: PrivateServer;

  beforeEach(async () => {
    sshd = await LoopbackSshd.start();
    local = createPrivateServer();
    local.start("new-session", "-d", "-s", "near", "sleep 600");
    const env = { AGTMUX_SSH_CONFIG: sshd.configFile };
    scene = await Scene.start({ env });
    await scene.client.targets.removeTarget({ name: "lab" });
    await scene.addTarget("near", local.socketPath);
  });
  afterEach(async () => {
    await scene?.close();
    local?.dispose();
    await sshd?.close();
  });

  const add = async (name = "vm1"): Promise<Target> => {
    const tmuxSocket = scene.terminal.socketPath;
    const { target } = await scene.client.targets.addTarget({ name, kind: TargetKind.SSH, tmuxSocket });
    if (target === undefined) throw new Error("no target in the answer");
    return target;
  };
  const target = async (name = "vm1"): Promise<Target | undefined> =>
    (await scene.client.targets.listTargets({})).targets.find((each) => each.name === name);
  const untilHealth = (health: TargetHealth) =>
    eventually(`vm1 to be ${TargetHealth[health]}`, async () => {
      const now = await target();
      return now?.health === health ? now : undefined;
    });
  const cli = (...words: string[]) =>
    spawnSync(process.execPath, [CLI, ...words], {
      encoding: "utf8",
      env: environment(scene.daemon),
      timeout: 25_000,
    });
  const remote = (panes: readonly Pane[]) => panes.filter(({ identity }) => identity?.target === "vm1");

  it("TC-014 TC-040 is added, listed and removed; its agents show with their states, and end", async () => {
    scene.terminal.start("new-session", "-d", "-s", "work", "sleep 600");
    const added = await add();
    expect(added).toMatchObject({
      kind: TargetKind.SSH,
      sshTarget: "vm1",
      health: TargetHealth.OK,
      healthReason: "",
      healthMessage: "",
    });
    expect(added.bootId).toMatch(/^\d+:\d+$/u);

    const agent = await scene.agentIn("busy", "new-window", "-t", "work");
    await scene.untilState(agent, "permission prompt");
    await scene.untilState(agent, "idle");
    const pane = await scene.untilPane("the agent", ({ identity }) => identity?.paneId === agent.paneId);
    expect(pane.agent?.agentPid).toBe(BigInt(agent.pid));
    expect(pane.ref).toMatch(/^pane:vm1\//u);

    const tmuxSocket = scene.terminal.socketPath;
    const twin = { name: "vm2", kind: TargetKind.SSH, sshTarget: "vm1", tmuxSocket };
    const refused = await scene.client.targets.addTarget(twin).catch(toAgtmuxError);
    expect(refused).toMatchObject({ code: ErrorCode.E_TARGET_EXISTS, details: { target: "vm1" } });

    signal(agent.pid, "SIGKILL");
    await scene.untilPanes("the agent to be gone", (panes) =>
      panes.every(({ identity, agent: found }) => identity?.target !== "vm1" || found === undefined),
    );

    await scene.agentIn("busy", "new-window", "-t", "work");
    const { endedRuntimes } = await scene.client.targets.removeTarget({ name: "vm1" });
    expect(endedRuntimes).toBe(1);
    expect(remote(await scene.panes())).toEqual([]);
    await eventually("its connection to end", () => sshd.connections().length === 0);
  });

  it("TC-040 is well, and has no rows, while its tmux server lives on without a session", async () => {
    scene.terminal.start("new-session", "-d", "-s", "work", scene.agentCommand);
    scene.tmux("set-option", "-s", "exit-empty", "off");
    const { bootId } = await add();
    await scene.untilPane("the agent", ({ agent }) => agent !== undefined);
    scene.tmux("kill-session", "-t", "work");
    await scene.untilPanes("its rows to go", (panes) => remote(panes).length === 0);
    const { targets } = await scene.client.targets.listTargets({});
    expect(targets.find(({ name }) => name === "vm1")).toMatchObject({ health: TargetHealth.OK, bootId });
  });

  it("TC-040 shows that an agent was stopped and goes on", async () => {
    scene.terminal.start("new-session", "-d", "-s", "work", "sleep 600");
    await add();
    // tmux wakes a pane's own first process by itself; this one has a shell above it.
    const command = scene.agentCommand.replace("exec ", "");
    const paneId = scene.tmux("new-window", "-P", "-F", "#{pane_id}", "-t", "work", `sh -c '${command}; :'`);
    const found = await scene.untilPane("the agent", ({ agent: seen }) => seen !== undefined);
    const agent = scene.adopt(paneId, Number(found.agent?.agentPid));
    await scene.untilState(agent, "busy");
    signal(agent.pid, "SIGSTOP");
    await scene.untilPane("the agent to be suspended", (pane) => pane.agent?.reasonCode === "suspended");
    signal(agent.pid, "SIGCONT");
    await scene.untilPane("the agent to go on", (pane) => pane.agent?.state === AgentState.RUNNING);
  });

  it("TC-041 TC-043 keeps its rows as unreachable while its sshd is gone, fails nobody else, and is right again after", async () => {
    await add();
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const other = scene.agent("new-window", "-t", "work");
    await scene.untilState(other, "idle");
    const watcher = await Watcher.open(scene.client);
    expect(watcher.last.partial).toBe(false);

    await sshd.stop();
    const down = await untilHealth(TargetHealth.DOWN);
    expect(down.healthReason).toBe("refused");
    expect(down.healthMessage).toContain(`127.0.0.1`);
    await scene.untilPane("unreachable", ({ agent: found }) => found?.reasonCode === "target_unreachable");
    const list = await scene.client.state.listPanes({ filter: { includePlain: true } });
    expect(list).toMatchObject({
      partial: true,
      requestedTargets: ["host", "near", "vm1"],
      respondedTargets: ["host", "near"],
      targetErrors: [{ target: "vm1", code: ErrorCode.E_TARGET_UNREACHABLE, message: down.healthMessage }],
    });
    expect(remote(list.panes).map(({ agent: found }) => found?.state)).toEqual([
      AgentState.UNKNOWN,
      AgentState.UNKNOWN,
    ]);
    const shown = cli("list", "panes");
    expect([shown.status, shown.stdout]).toEqual([0, expect.stringMatching(/target_unreachable/u)]);
    expect(`${shown.stdout}${shown.stderr}`).toMatch(/vm1.*nothing listens on 127\.0\.0\.1/u);
    const connect = cli("target", "connect", "vm1", "--json");
    expect(connect.status).toBe(6);
    expect(JSON.parse(connect.stderr)).toMatchObject({
      error: { code: "E_TARGET_UNREACHABLE", details: { target: "vm1", cause: "refused" }, retryable: true },
    });
    await watcher.message(
      "a partial summary",
      ({ partial, targetErrors }) => partial && targetErrors[0]?.target === "vm1",
    );

    // What happens meanwhile shows afterwards.
    agent.say("permission prompt");
    signal(other.pid, "SIGKILL");
    const fresh = scene.agent("new-window", "-t", "work");
    await sshd.listen();
    await untilHealth(TargetHealth.OK);
    await scene.untilState(fresh, "idle");
    const panes = await scene.untilPanes("the agents as they are now", (all) => {
      const states = remote(all).map(({ identity, agent: found }) => [identity?.paneId, found?.state]);
      return (
        states.length === 2 &&
        states.some(([id, state]) => id === agent.paneId && state === AgentState.WAITING_APPROVAL) &&
        states.some(([id, state]) => id === fresh.paneId && state === AgentState.IDLE)
      );
    });
    expect(remote(panes)).toHaveLength(2);
    await watcher.message("a whole summary", ({ partial, sequence }) => !partial && sequence > 1n);
    await watcher.close();
  });

  it("TC-041 keeps its rows over a restart of the daemon that finds it unreachable", async () => {
    const stateDir = mkdtempSync(join(tmpdir(), "agtmux-restart-"));
    const env = { AGTMUX_SSH_CONFIG: sshd.configFile };
    const first = await Scene.start({ stateDir, env });
    let second: TestDaemon | undefined;
    const row = async (daemon: TestDaemon) =>
      (await daemon.client.state.listPanes({ filter: { targets: ["vm1"] } })).panes;
    try {
      await first.client.targets.removeTarget({ name: "lab" });
      const tmuxSocket = first.terminal.socketPath;
      await first.client.targets.addTarget({ name: "vm1", kind: TargetKind.SSH, tmuxSocket });
      const agent = await first.agentIn("busy", "new-session", "-d", "-s", "work");
      const before = await first.untilPane("the agent", ({ identity }) => identity?.paneId === agent.paneId);
      await first.daemon.end();
      await sshd.stop();

      second = await TestDaemon.start({ stateDir, env });
      const daemon = second;
      const rows = await eventually("the row", async () => {
        const panes = await row(daemon);
        return panes[0]?.agent?.reasonCode === "target_unreachable" ? panes : undefined;
      });
      expect(rows).toMatchObject([
        {
          identity: before.identity,
          agent: { runtimeId: before.agent?.runtimeId, state: AgentState.UNKNOWN },
        },
      ]);
      await sshd.listen();
      await daemon.client.targets.connectTarget({ name: "vm1" });
      await eventually("the state", async () => (await row(daemon))[0]?.agent?.state === AgentState.RUNNING);
      expect(await row(daemon)).toMatchObject([{ agent: { runtimeId: before.agent?.runtimeId } }]);
    } finally {
      await second?.close();
      await first.close();
      rmSync(stateDir, { recursive: true, force: true });
    }
  });

  it("TC-043 is stored when it cannot be reached, says why and what to do, and connects on demand", async () => {
    await sshd.stop();
    const added = await add();
    expect(added.health).toBe(TargetHealth.DEGRADED);
    expect(added.healthReason).toBe("refused");
    expect(added.healthMessage).toMatch(/nothing listens on .*; start sshd there/u);
    await untilHealth(TargetHealth.DOWN);
    await sshd.listen();
    const { target: connected } = await scene.client.targets.connectTarget({ name: "vm1" });
    expect(connected).toMatchObject({
      health: TargetHealth.OK,
      healthReason: "no_server",
      healthMessage: "",
    });
  });

  it("TC-043 is down at once for a host key that is not known, and comes by itself once it is", async () => {
    const { knownHosts } = sshd.home;
    const line = readFileSync(knownHosts, "utf8");
    writeFileSync(knownHosts, "");
    const added = await add();
    expect(added).toMatchObject({ health: TargetHealth.DOWN, healthReason: "host_key_unknown" });
    expect(added.healthMessage).toMatch(/--accept-new-host-key/u);
    const { status, stderr } = cli("target", "connect", "vm1");
    expect([status, stderr]).toEqual([6, expect.stringMatching(/vm1 is down: .*E_TARGET_UNREACHABLE/su)]);
    writeFileSync(knownHosts, line);
    await untilHealth(TargetHealth.OK);
  });

  it("trusts a host key that is not known only when it is added so, and writes it down", async () => {
    const { knownHosts } = sshd.home;
    const line = readFileSync(knownHosts, "utf8");
    writeFileSync(knownHosts, "");
    const socket = scene.terminal.socketPath;
    const words = ["target", "add", "vm1", "--kind", "ssh", "--tmux-socket", socket, "--accept-new-host-key"];
    const { status, stdout, stderr } = cli(...words);
    expect([status, stderr, stdout]).toEqual([0, "", expect.stringMatching(/vm1 +ssh +ok/u)]);
    expect(readFileSync(knownHosts, "utf8")).toContain(line.trim().split(" ")[2]);
  });

  it("sees a tmux server end and another one start in its place", async () => {
    await add();
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    signal(scene.terminal.pid(), "SIGKILL");
    signal(agent.pid, "SIGKILL");
    await scene.untilPanes("no panes", (panes) => remote(panes).length === 0);
    expect(await target()).toMatchObject({ health: TargetHealth.OK, healthReason: "no_server" });
    const next = await scene.agentIn("idle", "new-session", "-d", "-s", "again");
    expect(remote(await scene.panes())).toMatchObject([{ identity: { paneId: next.paneId } }]);
  });

  it(`TC-034 TC-041 survives ${FLAPS} flaps: right afterwards, no ghost rows, nothing left open`, {
    timeout: 30_000 + FLAPS * 1_000,
  }, async () => {
    await add();
    const agent = await scene.agentIn("busy", "new-session", "-d", "-s", "work");
    const before = openFiles(scene.daemon.child.pid);
    for (let flap = 0; flap < FLAPS; flap++) {
      const old = sshd.connections();
      sshd.cut();
      // By itself it would wait up to 4 s, and longer with each loss.
      await eventually("another connection", async () => {
        await scene.client.targets.connectTarget({ name: "vm1" });
        return sshd.connections().some((pid) => !old.includes(pid)) ? true : undefined;
      });
    }
    await untilHealth(TargetHealth.OK);
    await scene.untilState(agent, "permission prompt");
    const panes = remote(await scene.panes());
    expect(panes).toMatchObject([{ identity: { paneId: agent.paneId } }]);
    let files = before;
    await eventually("no more open files than before", () => {
      files = openFiles(scene.daemon.child.pid);
      return files.length <= before.length + 3;
    }).catch(() => expect(files).toEqual(before));
    // One connection: its monitor, and the session.
    expect(sshd.connections().length).toBeLessThanOrEqual(3);
  });
});
