import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState, TargetHealth } from "../../src/client/index.js";
import { eventually } from "../support/daemon.js";
import { NetworkHost, namespacesRefused } from "../targets/ssh/network-host.js";
import { signal } from "../tmux/private-server.js";
import { FaultStage } from "./support/fault-stage.js";

if (namespacesRefused !== undefined) console.warn(`skipped: ${namespacesRefused}`);

interface Fault {
  begin(host: NetworkHost, stage: FaultStage): void | Promise<void>;
  end(host: NetworkHost, stage: FaultStage): void | Promise<void>;
  /** What health may give as its reason. */
  readonly reason: RegExp;
  /** Milliseconds until health says so. */
  readonly down: number;
  /** Milliseconds until it is well again. */
  readonly back: number;
}

const FAULTS: Readonly<Record<string, Fault>> = {
  "nothing listens there any more": {
    begin: ({ sshd }) => sshd.stop(),
    end: ({ sshd }) => sshd.listen(),
    reason: /^refused$/u,
    down: 10_000,
    back: 10_000,
  },
  "the cable is pulled: packets vanish": {
    begin: (host) => host.pull(),
    end: (host) => host.plug(),
    reason: /^(timeout|lost)$/u,
    down: 40_000,
    back: 15_000,
  },
  "the host loses its power: the connection stays open and leads nowhere": {
    begin: (host) => host.vanish(),
    end: ({ sshd }) => sshd.listen(),
    reason: /^refused$/u,
    down: 30_000,
    back: 10_000,
  },
  "the host is suspended and resumed": {
    begin: ({ sshd }) => sshd.sshd.suspend(),
    end: ({ sshd }) => sshd.sshd.resume(),
    reason: /^(timeout|lost)$/u,
    down: 60_000,
    back: 25_000,
  },
  "its tmux server hangs": {
    begin: (_, { scene }) => signal(scene.terminal.pid(), "SIGSTOP"),
    end: (_, { scene }) => signal(scene.terminal.pid(), "SIGCONT"),
    reason: /^timeout$/u,
    down: 40_000,
    back: 15_000,
  },
};

/** Waiting for a connection to be given up takes its time: with the slow profile. */
const SLOW_PROFILE = process.env["AGTMUX_TEST_FAULTS"] === "1";

describe.skipIf(!SLOW_PROFILE || namespacesRefused !== undefined)("an ssh target, when", () => {
  let host: NetworkHost;
  let stage: FaultStage;

  beforeEach(async () => {
    host = await NetworkHost.start();
    stage = await FaultStage.start(host.sshd);
  });
  afterEach(async () => {
    await stage?.close();
    await host?.close();
  });

  it.each(Object.entries(FAULTS))(
    "TC-023 TC-040 TC-041 TC-043 %s: its rows stay, as unreachable, no call hangs, nobody else is held up, and it comes back right",
    {
      timeout: 120_000,
    },
    async (name, fault) => {
      const before = await stage.noticed(`${name}: before`);
      const began = performance.now();
      const passed = (): string => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
      await fault.begin(host, stage);
      const down = await stage.untilHealth(TargetHealth.DOWN, fault.down);
      console.info(`${name}: down (${down.healthReason}) after ${passed()}`);
      expect(down.healthReason).toMatch(fault.reason);
      await stage.expectDown(down);

      stage.busy.say("permission prompt");
      signal(stage.idle.pid, "SIGKILL");
      const during = await stage.noticed(`${name}: during`);
      const ended = performance.now();
      await fault.end(host, stage);
      await stage.untilHealth(TargetHealth.OK, fault.back);
      console.info(`${name}: ok ${((performance.now() - ended) / 1_000).toFixed(1)} s after its end`);
      await stage.untilRows([[stage.busy, AgentState.WAITING_APPROVAL]]);
      stage.expectUnaffected(before, during);
      stage.expectUnaffected(before, await stage.noticed(`${name}: after`));
      await stage.watcher.message("a whole summary", ({ partial, sequence }) => !partial && sequence > 1n);
      expect(stage.watcher.last.partial).toBe(false);
      await stage.expectNothingLeft();
    },
  );

  it("TC-034 TC-041 its sshd is killed and started again at once: the same runtimes, right within seconds", async () => {
    const before = (await stage.rows()).map(({ agent }) => agent?.runtimeId);
    await host.sshd.stop();
    await host.sshd.listen();
    stage.busy.say("permission prompt");
    await stage.untilRows([
      [stage.busy, AgentState.WAITING_APPROVAL],
      [stage.idle, AgentState.IDLE],
    ]);
    await stage.untilHealth(TargetHealth.OK, 10_000);
    expect((await stage.rows()).map(({ agent }) => agent?.runtimeId)).toEqual(before);
    await stage.expectNothingLeft();
  });

  it("TC-041 its tmux server is killed and another one started: the old rows go, the new ones come", async () => {
    const { scene } = stage;
    const old = (await stage.rows()).map(({ agent }) => agent?.runtimeId);
    const before = await stage.noticed("tmux restarts: before");
    signal(scene.terminal.pid(), "SIGKILL");
    for (const { pid } of [stage.busy, stage.idle]) signal(pid, "SIGKILL");
    await stage.untilRows([]);
    expect(await stage.target()).toMatchObject({ health: TargetHealth.OK, healthReason: "no_server" });
    const next = await scene.agentIn("busy", "new-session", "-d", "-s", "again");
    await stage.untilRows([[next, AgentState.RUNNING]]);
    const [row] = await stage.rows();
    expect(row?.agent?.runtimeId).toMatch(/^[0-9a-f]{64}$/u);
    expect(old).not.toContain(row?.agent?.runtimeId);
    stage.expectUnaffected(before, await stage.noticed("tmux restarts: during"));
    await stage.expectNothingLeft();
  });

  it("TC-041 the host has booted anew: a process of the same pid and start is another one, and no runtime outlives its boot", async () => {
    const old = (await stage.rows()).map(({ agent }) => agent?.runtimeId);
    const boot = (await stage.target())?.bootId;
    await host.sshd.stop();
    host.bootAs(2);
    await host.sshd.listen();
    await eventually("other runtimes", async () => {
      const now = (await stage.rows()).map(({ agent }) => agent?.runtimeId);
      return now.length === 2 && now.every((id) => id !== undefined && !old.includes(id));
    });
    await stage.untilRows([
      [stage.busy, AgentState.RUNNING],
      [stage.idle, AgentState.IDLE],
    ]);
    expect((await stage.target())?.bootId).toBe(boot);

    // And as a rule nothing of the old boot is there.
    await host.sshd.stop();
    signal(stage.scene.terminal.pid(), "SIGKILL");
    for (const { pid } of [stage.busy, stage.idle]) signal(pid, "SIGKILL");
    host.bootAs(3);
    const next = stage.scene.agent("new-session", "-d", "-s", "booted");
    await host.sshd.listen();
    await stage.scene.untilState(next, "permission prompt");
    await stage.untilRows([[next, AgentState.WAITING_APPROVAL]]);
    await stage.expectNothingLeft();
  });
});
