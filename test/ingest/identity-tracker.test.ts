import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { DEFAULTS } from "../../src/server/config.js";
import { runtimeId } from "../../src/server/engine/identity.js";
import { RuntimeTracker } from "../../src/server/targets/runtime-tracker.js";
import { PaneWorld, type Running } from "../support/pane-world.js";
import { JournalLab, START } from "./journal-harness.js";

const TICK = 10_000;

let lab: JournalLab;
let world: PaneWorld;
let tracker: RuntimeTracker;
let now: number;

beforeEach(() => {
  lab = new JournalLab();
  world = new PaneWorld();
  now = START;
  tracker = newTracker();
});
afterEach(() => lab.close());

function newTracker(): RuntimeTracker {
  const adapters = new AdapterRegistry().adapters;
  return new RuntimeTracker(
    "host",
    lab.journal,
    lab.store.runtimes,
    world.table,
    adapters,
    () => now,
    DEFAULTS,
  );
}

/** A process that begins now. */
function process(pid: number, argv: readonly string[], more: Partial<Running> = {}): Running {
  return { pid, argv, startRaw: String(now / TICK), ...more };
}

const claude = (pid: number): Running => process(pid, ["claude"]);
const launcher = (pid: number): Running => process(pid, ["node", "/usr/bin/codex"]);
const worker = (pid: number, ppid: number): Running => process(pid, ["/opt/codex/codex"], { ppid });

/** Looks; says who is in the pane, as `pid#epoch`, and how those before ended. */
async function look(): Promise<string> {
  const { launching } = await tracker.observe(world.topology());
  const active = lab.store.runtimes.active();
  expect(active.length).toBeLessThanOrEqual(1);
  expect([...tracker.active().values()].map(({ record }) => record.runtimeId)).toEqual(
    active.map((record) => record.runtimeId),
  );
  for (const record of active) expect(runtimeId(record)).toBe(record.runtimeId);
  const ended = lab.store.runtimes
    .endedSince(0)
    .map(({ agentPid, endReason }) => `${agentPid} ${endReason ?? ""}`);
  const who = active.map(({ agentPid, paneEpoch }) => `${agentPid}#${paneEpoch}`).join() || "nobody";
  return [who, ...ended.sort(), ...(launching ? ["launching"] : [])].join(", ");
}

describe("TC-004 a pane's runtime", () => {
  beforeEach(async () => {
    world.running = [claude(42)];
    expect(await look()).toBe("42#1");
  });

  it("stays the same over looks, a restart of the daemon and a rename", async () => {
    const [before] = lab.store.runtimes.active();
    expect(await look()).toBe("42#1");
    world.session = "other";
    lab.restart();
    tracker = newTracker();
    expect(await look()).toBe("42#1");
    expect(lab.store.runtimes.active()).toEqual([{ ...before, session: "other" }]);
  });

  it.each<[string, () => void, string]>([
    ["another process of the agent", () => (world.running = [claude(43)]), "43#2, 42 exited"],
    [
      "another process by the same pid",
      () => {
        now += TICK;
        world.running = [claude(42)];
      },
      "42#2, 42 exited",
    ],
    ["the same pid and start after a boot of the host", () => (world.hostBoot = "later"), "42#2, 42 exited"],
    [
      "a respawn of the pane, the agent's process being its first",
      () => {
        world.panePid = 43;
        world.running = [claude(43)];
      },
      "43#2, 42 respawned",
    ],
    [
      "another tmux server with the same pane ids",
      () => {
        world.bootId = "78:1700000001";
        world.running = [claude(43)];
      },
      "43#2, 42 server_gone",
    ],
    [
      "another tmux server by the same pid, a second later",
      () => {
        world.bootId = "77:1700000001";
        world.running = [claude(43)];
      },
      "43#2, 42 server_gone",
    ],
    [
      "another agent, the first stopped behind it",
      () => (world.running = [{ ...claude(42), background: true }, claude(43)]),
      "43#2, 42 displaced",
    ],
  ])("ends, and another opens, with %s", async (_name, change, expected) => {
    const [before] = lab.store.runtimes.active();
    change();
    expect(await look()).toBe(expected);
    expect(lab.store.runtimes.active()[0]?.runtimeId).not.toBe(before?.runtimeId);
  });

  it.each<[string, () => void, string]>([
    ["its process", () => (world.running = []), "nobody, 42 exited"],
    ["its pane", () => (world.present = false), "nobody, 42 pane_gone"],
    ["its tmux server", () => (world.bootId = undefined), "nobody, 42 server_gone"],
    [
      "its pane's first process, the pane kept",
      () => {
        world.running = [];
        world.dead = true;
      },
      "nobody, 42 exited",
    ],
  ])("ends with %s", async (_name, change, expected) => {
    change();
    expect(await look()).toBe(expected);
  });

  it("counts epochs on, never again from one, however often agents come and go", async () => {
    for (let life = 2; life <= 6; life++) {
      world.running = [];
      await look();
      now += TICK;
      world.running = [claude(42)];
      expect(await look()).toMatch(new RegExp(`^42#${life},`, "u"));
      if (life === 4) {
        lab.restart();
        tracker = newTracker();
      }
    }
  });

  it("has its exit status where tmux knows it, that is where the agent is the pane's own process", async () => {
    world.running = [];
    world.dead = true;
    world.deadStatus = 3;
    await look();
    world.panePid = 43;
    world.dead = false;
    world.running = [claude(43)];
    await look();
    world.running = [];
    world.dead = true;
    await look();
    const statuses = lab.store.runtimes
      .endedSince(0)
      .map(({ agentPid, exitStatus }) => [agentPid, exitStatus]);
    expect(statuses.sort()).toEqual([
      [42, undefined],
      [43, 3],
    ]);
  });
});

describe("TC-004 a launcher", () => {
  const grace = DEFAULTS.launcherGraceMs * 1_000;

  it("opens nothing for five seconds, and then a runtime of its own if no worker came", async () => {
    world.running = [launcher(50)];
    expect(await look()).toBe("nobody, launching");
    now += grace - 1;
    expect(await look()).toBe("nobody, launching");
    now += 1;
    expect(await look()).toBe("50#1");
  });

  it("and its worker are one agent, whose pid is the worker's", async () => {
    const first = launcher(50);
    world.running = [first];
    await look();
    world.running = [first, worker(51, 50)];
    expect(await look()).toBe("51#1");
    expect([...lab.journal.runtimes()][0]?.pids).toEqual([51, 50]);
  });

  it("that is started right after another agent's end opens nothing before its worker either", async () => {
    world.running = [claude(42)];
    await look();
    const next = launcher(50);
    world.running = [next];
    expect(await look()).toBe("nobody, 42 exited, launching");
    world.running = [next, worker(51, 50)];
    expect(await look()).toBe("51#2, 42 exited");
  });

  it("that is started before a stopped agent leaves that one its pane until its worker is there", async () => {
    const stopped: Running = { ...claude(42), background: true };
    world.running = [claude(42)];
    await look();
    const next = launcher(50);
    world.running = [stopped, next];
    expect(await look()).toBe("42#1, launching");
    world.running = [stopped, next, worker(51, 50)];
    expect(await look()).toBe("51#2, 42 displaced");
  });
});

describe("TC-011 what is stored of a pane's place", () => {
  it("is its session's name and its directory, and neither where it looks like a secret", async () => {
    const secret = "token=hunter2hunter2";
    world.running = [claude(42)];
    world.session = secret;
    world.cwd = `/w/${secret}`;
    await look();
    const stored = (): unknown => lab.store.runtimes.active().map(({ session, cwd }) => [session, cwd]);
    expect(stored()).toEqual([["[redacted]", "[redacted]"]]);
    world.session = "work";
    world.cwd = "/w";
    await look();
    expect(stored()).toEqual([["work", "/w"]]);
    world.session = secret;
    world.cwd = `/w/${secret}`;
    await look();
    expect(stored()).toEqual([["[redacted]", "[redacted]"]]);
  });
});
