import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState, type EventEnvelope, TargetHealth, TargetKind } from "../../src/client/index.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { FaultyStore, runBelow, usedStateDirectory } from "./support/faulty-store.js";
import type { SessionStatus } from "./support/scene.js";
import { fold, listed, Watcher } from "./support/watcher.js";

describe("a daemon whose store refuses", () => {
  let lab: FaultyStore;
  let watcher: Watcher;
  let sent: EventEnvelope[];
  beforeEach(async () => {
    lab = await FaultyStore.start();
    watcher = await Watcher.open(lab.client);
    sent = [];
  });
  afterEach(async () => {
    await watcher.close();
    await lab.close();
  });

  /** The agent works on, and its hooks with it, until the store has refused something. */
  async function untilRefused(code: string): Promise<void> {
    const words: readonly SessionStatus[] = ["busy", "idle"];
    for (let turn = 0; (await lab.trouble())?.code !== code; turn++) {
      if (turn > 500) throw new Error(`the store never said ${code}`);
      lab.agent.say(words[turn % words.length] ?? "idle");
      await deliver("PostToolUse");
    }
  }

  async function deliver(type: string): Promise<Awaited<ReturnType<FaultyStore["deliver"]>>> {
    const event = lab.hook(type);
    sent.push(event);
    return lab.deliver(event);
  }

  /** All is as if nothing had been: every event once, the agent's last word in force, watchers and lists agree. */
  async function expectWell(state: AgentState): Promise<void> {
    await lab.untilTrouble(undefined);
    await lab.scene.untilPane("the agent's last word", ({ agent }) => agent?.state === state);
    const spool = join(lab.scene.daemon.stateDir, "spool.d", "local");
    await eventually("the spool to be empty", () =>
      readdirSync(spool).every((name) => !name.endsWith(".json")),
    );
    const stored = await lab.stored();
    expect(sent.map(({ eventId }) => stored.get(eventId))).toEqual(sent.map(() => 1));
    const filter = { includePlain: true };
    await eventually("the watcher to see what lists show", async () => {
      const { panes } = await lab.client.state.listPanes({});
      return JSON.stringify([...fold(watcher.messages)]) === JSON.stringify([...listed({ panes })]);
    });
    expect((await lab.client.state.listPanes({ filter })).panes).toHaveLength(1);
    expect(watcher.ended).toBeUndefined();
    const { targets } = await lab.client.targets.listTargets({});
    expect(targets.map(({ health }) => health)).toEqual(targets.map(() => TargetHealth.OK));
    expect(lab.scene.daemon.child.exitCode).toBeNull();
  }

  it("TC-052 TC-053 because the disk is full reads on, says so, loses nothing and recovers by itself", async () => {
    await lab.door("fill");
    await untilRefused("disk_full");
    const refused = await deliver("UserPromptSubmit");
    expect(refused).toMatchObject({
      codeName: "E_RESOURCE_EXHAUSTED",
      retryable: true,
      details: { cause: "disk_full", sqlite: "SQLITE_FULL" },
    });
    expect((await lab.stored()).has(sent.at(-1)?.eventId ?? "")).toBe(false);
    const added = lab.client.targets.addTarget({ name: "x", kind: TargetKind.LOCAL, tmuxSocket: "/x" });
    await expect(added).rejects.toThrow(/disk is full/u);

    // Native signals only the daemon keeps; a new pane only the topology shows.
    for (const word of ["busy", "idle", "permission prompt"] as const) {
      lab.agent.say(word);
      await delay(700);
    }
    const began = performance.now();
    lab.scene.tmux("split-window", "-d", "-t", "%0", "exec sleep 100000");
    await lab.scene.untilPanes("the new pane", (panes) => panes.length === 2);
    expect(performance.now() - began).toBeLessThan(5_000);
    lab.scene.tmux("kill-pane", "-t", "%1");
    await lab.scene.untilPanes("it to be gone", (panes) => panes.length === 1);
    await delay(5_000);
    const trouble = await lab.trouble();
    expect(trouble?.message).toMatch(/disk is full.*free some space/u);
    expect(Number(trouble?.since?.seconds)).toBeGreaterThan(Date.now() / 1_000 - 120);
    const { targets } = await lab.client.targets.listTargets({});
    expect(targets.map(({ health }) => health)).toEqual(targets.map(() => TargetHealth.OK));
    expect(lab.logged('"code":"disk_full"')).toHaveLength(1);
    expect(
      lab.logged("not stored").concat(lab.logged("not worked off"), lab.logged("observation failed")),
    ).toEqual([]);

    await lab.door("free");
    await expectWell(AgentState.WAITING_APPROVAL);
    await eventually("the log to tell the end", () => lab.logged("the store takes writes again").length > 0);
    expect(lab.logged("the store takes writes again")).toHaveLength(1);
    expect(lab.logged('"code":"disk_full"')).toHaveLength(1);
  });

  it("TC-053 is found well again when nobody has anything to write", async () => {
    const pragma = (on: boolean): Promise<void> => lab.door(`PRAGMA query_only = ${on ? "ON" : "OFF"}`);
    await pragma(true);
    const added = lab.client.targets.addTarget({ name: "x", kind: TargetKind.LOCAL, tmuxSocket: "/x" });
    await expect(added).rejects.toThrow();
    expect((await lab.trouble())?.code).toBe("read_only");
    await pragma(false);
    await eventually(
      "the log to tell the end",
      () => lab.logged("the store takes writes again").length > 0,
      30_000,
    );
    expect(await lab.trouble()).toBeUndefined();
  });

  it.each([
    ["read-only", "read_only", "PRAGMA query_only = ON", "PRAGMA query_only = OFF"],
    ["full again and again", "disk_full", "fill", "free"],
  ])("TC-053 because it is %s says %s, and recovers", async (_, code, refuse, allow) => {
    for (let round = 0; round < 2; round++) {
      await lab.door(refuse);
      await untilRefused(code);
      expect(await deliver("Stop")).toMatchObject({
        codeName: "E_RESOURCE_EXHAUSTED",
        retryable: true,
        details: { cause: code },
      });
      await lab.door(allow);
      lab.agent.say("permission prompt");
      await expectWell(AgentState.WAITING_APPROVAL);
    }
  });

  it("because of a limit on its files, its log's too, lives on and recovers", async () => {
    const { pid } = lab.scene.daemon.child;
    const limit = (bytes: string): void => {
      const { status, stderr } = spawnSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`], {
        encoding: "utf8",
      });
      expect(stderr).toBe("");
      expect(status).toBe(0);
    };
    limit("512");
    await untilRefused("store_io");
    lab.agent.say("permission prompt");
    // Every one that is set aside is a line of the log.
    const spool = join(lab.scene.daemon.stateDir, "spool.d", "local");
    for (const name of ["0-a", "0-b", "0-c"]) {
      writeFileSync(join(spool, name), "no event");
      await eventually(`${name} to be set aside`, () => !existsSync(join(spool, name)));
    }
    expect((await lab.trouble())?.code).toBe("store_io");
    limit("unlimited");
    await expectWell(AgentState.WAITING_APPROVAL);
    // What could not be logged is logged then.
    await eventually("the log to tell the end", () => lab.logged("the store takes writes again").length > 0);
    expect(lab.logged("the store takes writes again")).toHaveLength(1);
    expect(lab.logged('"code":"store_io"')).toHaveLength(1);
    expect(lab.logged("a spool file was set aside")).toHaveLength(3);
  });

  it("TC-052 is no reason to give a target up: agents that come and go meanwhile are known afterwards", async () => {
    const other = new SqliteDatabase(lab.database);
    other.exec("BEGIN IMMEDIATE");
    const added = lab.scene.agent("split-window", "-d", "-t", "%0");
    lab.scene.tmux("respawn-pane", "-k", "-t", "%0", "exec sleep 100000");
    await lab.scene.untilPanes("the new pane", (panes) => panes.length === 2);
    await lab.untilTrouble("store_locked");
    for (const until = performance.now() + 6_000; performance.now() < until; ) {
      const { targets } = await lab.client.targets.listTargets({});
      expect(targets.map(({ health }) => health)).toEqual(targets.map(() => TargetHealth.OK));
      await delay(100);
    }
    other.exec("ROLLBACK");
    other.close();
    const known = await lab.scene.untilPanes("who is where", (panes) =>
      panes.every(({ identity, agent }) => (agent !== undefined) === (identity?.paneId === added.paneId)),
    );
    expect(known).toHaveLength(2);
    await lab.untilTrouble(undefined);
    expect(lab.logged("observation failed")).toEqual([]);
  });

  it.each([1_000, 8_000])(
    "TC-052 because another program holds the lock for %i ms never keeps a reader waiting, and loses nothing",
    async (heldMs) => {
      const other = new SqliteDatabase(lab.database);
      other.exec("BEGIN IMMEDIATE");
      const until = performance.now() + heldMs;
      let slowest = 0;
      let reads = 0;
      const refusals: string[] = [];
      const reading = (async () => {
        while (performance.now() < until) {
          const began = performance.now();
          await lab.client.state.listPanes({});
          slowest = Math.max(slowest, performance.now() - began);
          reads += 1;
          await delay(10);
        }
      })();
      while (performance.now() < until) {
        lab.agent.say("busy");
        const refused = await deliver("PostToolUse");
        if (refused !== undefined)
          refusals.push(`${refused.codeName} ${refused.details["cause"]} ${refused.retryable}`);
        await delay(20);
      }
      lab.agent.say("permission prompt");
      await reading;
      expect(new Set(refusals)).toEqual(new Set(["E_TIMEOUT store_locked true"]));
      expect((await lab.trouble())?.code).toBe("store_locked");
      other.exec("ROLLBACK");
      other.close();
      const began = performance.now();
      await expectWell(AgentState.WAITING_APPROVAL);
      console.log(
        `lock held ${heldMs} ms: ${refusals.length} events refused, slowest of ${reads} reads ${Math.round(slowest)} ms, well after ${Math.round(performance.now() - began)} ms`,
      );
      expect(slowest).toBeLessThan(1_500);
      expect(lab.logged('"code":"store_locked"')).toHaveLength(1);
    },
    60_000,
  );

  it("because it is damaged serves on from memory, takes nothing, and sets it aside at the next start", async () => {
    await lab.door("PRAGMA wal_checkpoint(TRUNCATE)");
    const spoiled = readFileSync(lab.database).fill(0x5a, 4_096);
    writeFileSync(lab.database, spoiled);
    await lab.door("PRAGMA shrink_memory");
    const refused = await eventually("a refusal", async () => deliver("Stop"));
    expect(refused).toMatchObject({ codeName: "E_RESOURCE_EXHAUSTED", details: { cause: "store_corrupt" } });
    expect((await lab.trouble())?.code).toBe("store_corrupt");
    await delay(3_000);
    expect((await lab.trouble())?.message).toMatch(/damaged.*restart/u);
    expect((await lab.client.state.listPanes({})).panes[0]?.agent?.runtimeId).toBe(lab.runtimeId);
    const { targets } = await lab.client.targets.listTargets({});
    expect(targets.map(({ health }) => health)).toEqual(targets.map(() => TargetHealth.OK));
    expect(lab.logged('"code":"store_corrupt"')).toHaveLength(1);
    expect(await lab.scene.daemon.end()).toBe(0);

    const next = await TestDaemon.start({ stateDir: lab.root });
    Object.assign(lab.scene, { daemon: next });
    expect((await lab.trouble())?.code).toBe("store_replaced");
    expect((await lab.trouble())?.message).toMatch(/agtmux\.db\.corrupt-/u);
    await lab.scene.addTarget("lab");
    await lab.scene.untilPane("the agent again", ({ agent }) => agent !== undefined);
    // What was refused waited in the spool.
    await lab.scene.untilPane("its last hook", ({ agent }) => agent?.state === AgentState.COMPLETED);
    watcher = await Watcher.open(lab.client);
  });
});

describe("a start that cannot succeed is refused with exit status 3 and one line that says what to do:", () => {
  let root: string;
  beforeEach(async () => {
    root = await usedStateDirectory();
  });
  afterEach(() => {
    chmodSync(join(root, "state"), 0o700);
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });
  const state = (...names: string[]): string => join(root, "state", ...names);
  const databases = (): string[] => readdirSync(state()).filter((name) => name.startsWith("agtmux.db"));
  /** Root may write anywhere; without this power it is held to modes like anybody else. */
  const ordinary =
    process.getuid?.() === 0
      ? [
          "setpriv",
          "--bounding-set=-dac_override,-dac_read_search",
          "--inh-caps=-dac_override,-dac_read_search",
          "env",
        ]
      : ["env"];

  async function refused(program: readonly string[], line: RegExp): Promise<void> {
    const before = readFileSync(state("lock.db"));
    const { status, stderr } = await runBelow(program, root);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(status).toBe(3);
    expect(readFileSync(state("lock.db")).equals(before)).toBe(true);
  }

  it("a state directory that is read-only", async () => {
    chmodSync(state(), 0o500);
    await refused(ordinary, /permission denied.*make it writable, or set AGTMUX_STATE_DIR/u);
    rmSync(state("log"), { recursive: true });
    await refused(ordinary, /permission denied.*make it writable, or set AGTMUX_STATE_DIR/u);
  });

  it("a state directory that cannot be made", async () => {
    const locked = join(root, "locked");
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    const { status, stderr } = await runBelow(
      [...ordinary, `AGTMUX_STATE_DIR=${join(locked, "state")}`],
      root,
    );
    expect(stderr).toMatch(/^agtmuxd: .*permission denied.*make it writable, or set AGTMUX_STATE_DIR.*\n$/u);
    expect(status).toBe(3);
  });

  it("a database file that is read-only", async () => {
    chmodSync(state("agtmux.db"), 0o400);
    await refused(ordinary, /is read-only \(SQLITE_READONLY\): make the directory and its files writable/u);
    expect(databases()).not.toContainEqual(expect.stringContaining("corrupt"));
  });

  it("a log that is read-only", async () => {
    for (const name of readdirSync(state("log"))) chmodSync(state("log", name), 0o400);
    await refused(ordinary, /permission denied.*agtmuxd\S*log.*make it writable/u);
  });

  it("TC-052 a database that another program keeps locked, after 5 s", async () => {
    const other = new SqliteDatabase(state("agtmux.db"));
    other.exec("BEGIN IMMEDIATE");
    const began = performance.now();
    await refused(["env"], /agtmux\.db is locked by another program, waited 5 s: end that program/u);
    expect(performance.now() - began).toBeLessThan(12_000);
    other.exec("ROLLBACK");
    other.close();
    const daemon = await TestDaemon.start({ stateDir: root });
    expect((await daemon.client.daemon.getHealth({})).degradations).toEqual([]);
    await daemon.end();
  });

  it("a disk without room for anything", async () => {
    const limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"];
    rmSync(state("pid"));
    await refused(limited, /free some|look at its disk and its limits/u);
    expect(databases()).toEqual(["agtmux.db"]);
  });

  it("a directory in the database's place", async () => {
    rmSync(state("agtmux.db"));
    mkdirSync(state("agtmux.db"));
    await refused(["env"], /agtmux\.db is a directory: move it away/u);
    expect(databases()).toEqual(["agtmux.db"]);
  });

  it("a lock file that is no database", async () => {
    writeFileSync(state("lock.db"), "not a database, but long enough to be read as one\n".repeat(20));
    await refused(["env"], /lock\.db is damaged: remove it/u);
  });
});

it("TC-070 a corrupt database is set aside at the start, and health says where", async () => {
  const root = await usedStateDirectory();
  const path = join(root, "state", "agtmux.db");
  writeFileSync(path, readFileSync(path).fill(0x5a, 4_096));
  const daemon = await TestDaemon.start({ stateDir: root });
  const { degradations } = await daemon.client.daemon.getHealth({});
  expect(degradations.map(({ code, message }) => [code, /kept as (\S+)/u.exec(message)?.[1]])).toEqual([
    ["store_replaced", expect.stringMatching(/agtmux\.db\.corrupt-/u)],
  ]);
  await daemon.end();
  renameSync(path, `${path}.moved`);
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
});
