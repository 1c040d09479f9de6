import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Process } from "../../src/server/adapters/contract.js";
import { createLinuxProcessTable } from "../../src/server/targets/linux-process-table.js";
import { createLocalProcessTable, type ProcessTable } from "../../src/server/targets/local-host.js";
import { MAX_PANE_PROCESSES, parseStat, processesOfPanes } from "../../src/server/targets/process-stat.js";
import { createPrivateServer, type PrivateServer, signal, until } from "../tmux/private-server.js";

const linux = process.platform === "linux";

describe.runIf(linux)("the process table", () => {
  let server: PrivateServer;
  let table: ProcessTable;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    server = createPrivateServer();
    table = createLocalProcessTable("linux");
  });
  afterEach(() => {
    table.close();
    for (const child of children.splice(0)) child.kill("SIGKILL");
    server.dispose();
  });

  const startPane = (command: string): number => {
    server.start("new-session", "-d", "-x", "80", "-y", "24", command);
    return Number(server.tmux("display-message", "-p", "#{pane_pid}"));
  };
  const look = async (panePid: number): Promise<readonly Process[]> =>
    (await table.paneProcesses([{ panePid }])).get(panePid)?.processes ?? [];
  // Sooner than what is known of a command would be read again anyway.
  const find = (panePid: number, argument: string) =>
    until(
      `a process with ${argument}`,
      async () => (await look(panePid)).find((process) => process.argv.includes(argument)),
      5_000,
    );

  it("keeps files open from look to look, whatever targets without panes ask, and not for ever", async () => {
    table.close();
    let time = Date.now();
    table = createLinuxProcessTable({ now: () => time });
    const pane = startPane("exec sleep 600");
    const file = `/proc/${pane}/stat`;
    const isOpen = (): boolean =>
      readdirSync("/proc/self/fd").some((fd) => {
        const link = `/proc/self/fd/${fd}`;
        return existsSync(link) && readlinkSync(link) === file;
      });
    await look(pane);
    await table.paneProcesses([]);
    expect(isOpen()).toBe(true);
    time += 10_001;
    await table.paneProcesses([]);
    expect(isOpen()).toBe(false);
  });

  it("gives a pane's first process, its terminal's processes and its descendants, parents first", async () => {
    const pane = startPane("sh -c 'sleep 611 & exec sleep 612' & setsid sleep 613 & sleep 614; :");
    for (const argument of ["611", "612", "613", "614"]) await find(pane, argument);
    const processes = await look(pane);
    expect(processes[0]).toMatchObject({ pid: pane, comm: "sh" });
    const seen = new Set<number>();
    for (const process of processes) {
      expect(process.pid === pane || seen.has(process.ppid)).toBe(true);
      seen.add(process.pid);
    }
    const daemon = processes.find((process) => process.argv.includes("613"));
    expect(daemon?.tty).toBe(0);
    // It outlives its terminal.
    if (daemon !== undefined) signal(daemon.pid, "SIGKILL");
    const sleeper = processes.find((process) => process.argv.includes("614"));
    expect(sleeper).toMatchObject({
      comm: "sleep",
      argv: ["sleep", "614"],
      tty: processes[0]?.tty,
      ppid: pane,
    });
    expect(sleeper?.exe).toMatch(/\/(sleep|busybox|coreutils)$/);
    expect(sleeper?.tpgid).toBe(processes[0]?.tpgid);
  });

  it("gives processes of the terminal whose parents are gone, and none of another pane's", async () => {
    const pane = startPane("sh -c 'sleep 621 &'; sleep 622; :");
    const other = Number(server.tmux("split-window", "-d", "-P", "-F", "#{pane_pid}", "sleep 623; :"));
    const orphan = await find(pane, "621");
    await find(other, "623");
    await until(
      "the orphan has another parent",
      async () => (await find(pane, "621")).ppid !== orphan.ppid || orphan.ppid !== pane,
    );
    const both = await table.paneProcesses([{ panePid: pane }, { panePid: other }]);
    const words = (pid: number) => (both.get(pid)?.processes ?? []).flatMap((process) => process.argv);
    expect(words(pane)).toEqual(expect.arrayContaining(["621", "622"]));
    expect(words(pane)).not.toContain("623");
    expect(words(other)).not.toContain("622");
  });

  it("sees the command change when a process executes another program", async () => {
    const go = join(server.directory, "go");
    const pane = startPane(`while ! [ -e ${go} ]; do sleep 0.02; done; exec sleep 631`);
    const [before] = await look(pane);
    expect(before?.comm).toBe("sh");
    writeFileSync(go, "");
    const after = await find(pane, "631");
    expect(after).toMatchObject({ pid: pane, startRaw: before?.startRaw, argv: ["sleep", "631"] });
  });

  it("sees the command change when only the arguments do", async () => {
    const go = join(server.directory, "go");
    const pane = startPane(
      `exec sh -c 'while ! [ -e ${go} ]; do sleep 0.02; done; exec sh -c "sleep 632; :" b'`,
    );
    await until("the loop runs", async () => (await look(pane))[0]?.argv[2]?.startsWith("while"));
    writeFileSync(go, "");
    expect((await find(pane, "b")).pid).toBe(pane);
  });

  it("tells a stopped process from a running one, and a running one again after", async () => {
    const pane = startPane("sleep 641; :");
    const { pid, startRaw } = await find(pane, "641");
    expect(table.state(pid, startRaw)).toBe("S");
    signal(pid, "SIGSTOP");
    await until("it is stopped", () => table.state(pid, startRaw) === "T");
    expect(table.alive(pid, startRaw)).toBe(true);
    expect((await find(pane, "641")).state).toBe("T");
    signal(pid, "SIGCONT");
    await until("it goes on", async () => (await find(pane, "641")).state === "S");
  });

  it("takes a pid with another start for another process", async () => {
    const pane = startPane("sleep 642; :");
    const { pid, startRaw } = await find(pane, "642");
    expect(table.alive(pid, startRaw)).toBe(true);
    expect(table.alive(pid, String(Number(startRaw) + 1))).toBe(false);
    expect(table.state(pid, `${startRaw}0`)).toBeUndefined();
  });

  it("says that an ended process is gone, and a zombie not alive", async () => {
    const pane = startPane("sleep 643; sleep 644");
    const { pid, startRaw } = await find(pane, "643");
    signal(pid, "SIGKILL");
    await until("it is gone", () => !table.alive(pid, startRaw));
    const parent = spawn("sh", ["-c", "sleep 0 & exec sleep 645"], { stdio: "ignore" });
    children.push(parent);
    const zombie = await until("a zombie", async () =>
      (await look(parent.pid ?? 0)).find((process) => process.state === "Z"),
    );
    expect(table.alive(zombie.pid, zombie.startRaw)).toBe(false);
    expect(table.state(zombie.pid, zombie.startRaw)).toBe("Z");
  });

  it("gives no processes for a pane whose first process is gone", async () => {
    const child = spawn("true");
    const pid = child.pid ?? 0;
    await new Promise((resolve) => child.on("exit", resolve));
    expect(await table.paneProcesses([{ panePid: pid }])).toEqual(
      new Map([[pid, { panePid: pid, processes: [] }]]),
    );
  });

  it("reads names with spaces, parentheses and newlines", async () => {
    const name = "a) (b\nS 1";
    const path = join(server.directory, name);
    cpSync("/bin/sleep", path, { dereference: true });
    const child = spawn(path, ["651"], { stdio: "ignore" });
    children.push(child);
    const pid = child.pid ?? 0;
    const process = await until("the program runs", async () =>
      (await look(pid)).find((row) => row.argv.includes("651")),
    );
    expect(process).toMatchObject({ pid, ppid: globalThis.process.pid, comm: "a) (bS 1" });
    expect(table.alive(pid, process.startRaw)).toBe(true);
  });

  it("bounds argv to 64 words and 4 096 characters and repairs it", async () => {
    const many = spawn("sleep", ["652", ...Array.from({ length: 200 }, () => "0")], { stdio: "ignore" });
    const long = spawn("sh", ["-c", "read line; :", "x".repeat(100_000), "\u001b[31m"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    children.push(many, long);
    const [manyPid, longPid] = [many.pid ?? 0, long.pid ?? 0];
    await until(
      "both run",
      async () => (await look(manyPid))[0]?.comm === "sleep" && (await look(longPid))[0]?.comm === "sh",
    );
    expect((await look(manyPid))[0]?.argv).toHaveLength(64);
    const argv = (await look(longPid))[0]?.argv ?? [];
    expect(argv.join("")).toHaveLength(4_096);
  });

  it("gives one start time, close to the clock's, for this daemon's life", async () => {
    const before = Date.now();
    const child = spawn("sleep", ["654"], { stdio: "ignore" });
    children.push(child);
    const process = await until("it runs", async () => (await look(child.pid ?? 0))[0]);
    const startedMs = Number(table.startedAtNs(process) / 1_000_000n);
    expect(startedMs).toBeGreaterThan(before - 200);
    expect(startedMs).toBeLessThan(Date.now() + 200);
    expect(table.startedAtNs(process)).toBe(table.startedAtNs({ ...process, argv: [] }));
  });

  it("names the host's boot", () => {
    expect(table.boot()).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  });

  it("keeps no file open of processes that are gone, and none at all once closed", async () => {
    const open = () => readdirSync("/proc/self/fd").length;
    const before = open();
    for (let round = 0; round < 5; round += 1) {
      const child = spawn("sleep", ["600"], { stdio: "ignore" });
      await look(child.pid ?? 0);
      child.kill("SIGKILL");
      await new Promise((resolve) => child.on("exit", resolve));
    }
    await look(process.pid);
    const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).length;
    expect(open() - before).toBeLessThan(processes + 20);
    table.close();
    expect(open()).toBeLessThanOrEqual(before + 2);
  });

  it("refuses platforms that it does not know", () => {
    expect(() => createLocalProcessTable("win32")).toThrow(
      expect.objectContaining({ codeName: "E_UNSUPPORTED" }),
    );
  });
});

describe("a recorded process table", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "agtmux-proc-"));
    mkdirSync(join(root, "sys/kernel/random"), { recursive: true });
    writeFileSync(join(root, "sys/kernel/random/boot_id"), "boot\n");
    writeFileSync(join(root, "uptime"), "1000.00 1.0\n");
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const record = (
    pid: number,
    ppid: number,
    tty: number,
    start: number,
    argv: string[],
    exe: string,
  ): void => {
    const directory = join(root, String(pid));
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    const rest = ["S", ppid, pid, pid, tty, pid, ...Array.from({ length: 13 }, () => 0), start];
    const padding = Array.from({ length: 30 }, () => 0);
    writeFileSync(join(directory, "stat"), `${pid} (x) ${[...rest, ...padding].join(" ")}\n`);
    writeFileSync(join(directory, "cmdline"), argv.map((word) => `${word}\0`).join(""));
    symlinkSync(exe, join(directory, "exe"));
  };

  it("computes starts from boot, in ticks of 10 ms", async () => {
    const table = createLinuxProcessTable({ root, now: () => 5_000_000 });
    record(10, 1, 34816, 123_456, ["agent"], "/usr/bin/agent");
    const process = (await table.paneProcesses([{ panePid: 10 }])).get(10)?.processes[0];
    expect(process).toBeDefined();
    if (process !== undefined)
      expect(table.startedAtNs(process)).toBe(4_000_000_000_000n + 1_234_560_000_000n);
    table.close();
  });

  it("forgets the command of a pid that another process has", async () => {
    const table = createLinuxProcessTable({ root, now: () => 5_000_000 });
    const look = async () => (await table.paneProcesses([{ panePid: 10 }])).get(10)?.processes[0];
    record(10, 1, 34816, 500, ["one"], "/usr/bin/one");
    expect(await look()).toMatchObject({ argv: ["one"], exe: "/usr/bin/one", startRaw: "500" });
    // A recording keeps the open file alive; in /proc its reading fails once the process is gone.
    rmSync(join(root, "10"), { recursive: true });
    table.close();
    record(10, 1, 34816, 501, ["two"], "/usr/bin/two (deleted)");
    expect(await look()).toMatchObject({ argv: ["two"], exe: "/usr/bin/two", startRaw: "501" });
    table.close();
  });

  it("fails as a whole when /proc cannot be read, instead of calling everything ended", async () => {
    const table = createLinuxProcessTable({ root });
    record(10, 1, 34816, 500, ["one"], "/usr/bin/one");
    rmSync(join(root, "10", "stat"));
    mkdirSync(join(root, "10", "stat"));
    await expect(table.paneProcesses([{ panePid: 10 }])).rejects.toThrow("EISDIR");
    expect(() => table.alive(10, "500")).toThrow("EISDIR");
    table.close();
  });
});

describe("a line of /proc/<pid>/stat", () => {
  const tail = `S 7 8 9 34817 10 4194304 ${Array.from({ length: 12 }, () => 0).join(" ")} 98765 ${Array.from({ length: 30 }, (_, i) => i).join(" ")}`;

  it("is read past any command name", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 15 }), (comm) => {
        expect(parseStat(`42 (${comm}) ${tail}\n`)).toMatchObject({
          pid: 42,
          comm,
          state: "S",
          ppid: 7,
          pgid: 8,
          tty: 34817,
          tpgid: 10,
          startRaw: "98765",
        });
      }),
    );
  });

  it("is refused when it is none", () => {
    for (const line of ["", "42", "42 (x", "42 (x) S 1 2", "x (y) S z", ") ("])
      expect(parseStat(line)).toBeUndefined();
    fc.assert(fc.property(fc.string(), (line) => void parseStat(line)));
  });
});

describe("the processes of panes", () => {
  it("end for any tree, loops included, are at most 256 a pane, and begin with the first process", () => {
    const links = fc.array(fc.record({ ppid: fc.nat(400), tty: fc.nat(2) }), {
      minLength: 1,
      maxLength: 400,
    });
    fc.assert(
      fc.property(links, (rows) => {
        const table = new Map(rows.map((row, pid) => [pid, { pid, ...row }]));
        const found = processesOfPanes(table, [0, 9_999]);
        expect(found.get(9_999)).toEqual([]);
        const pids = found.get(0) ?? [];
        expect(pids[0]).toBe(0);
        expect(new Set(pids).size).toBe(pids.length);
        expect(pids.length).toBeLessThanOrEqual(MAX_PANE_PROCESSES);
      }),
    );
  });
});
