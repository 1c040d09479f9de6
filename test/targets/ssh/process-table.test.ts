import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Process } from "../../../src/server/adapters/contract.js";
import { ExecutorError } from "../../../src/server/targets/executor.js";
import { createLinuxProcessTable } from "../../../src/server/targets/linux-process-table.js";
import { HostUnsupported, type ProcessTable } from "../../../src/server/targets/process-table.js";
import { CommandChannel, type HostShell } from "../../../src/server/targets/shell/command-channel.js";
import { RemoteHost } from "../../../src/server/targets/ssh/remote-host.js";
import { createRemoteProcessTable } from "../../../src/server/targets/ssh/remote-process-table.js";
import { remoteShells } from "../../../src/server/targets/ssh/remote-shells.js";
import { createPrivateServer, type PrivateServer, signal, until } from "../../tmux/private-server.js";
import { LoginShells, SHELLS } from "../shell/login-shells.js";

const now = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1_000);

/** A shell that answers each script by its words. */
function scripted(answer: (script: string) => string): HostShell {
  return {
    run: async (script) => ({
      status: 0,
      stdout: Buffer.from(answer(Buffer.from(script).toString()), "latin1"),
      stderr: Buffer.alloc(0),
    }),
  };
}

describe.each(SHELLS)("the process table of a host with %s", (sh) => {
  let server: PrivateServer;
  let shells: LoginShells;
  let channel: CommandChannel;
  let asked: string[];
  let table: ProcessTable;

  beforeEach(() => {
    server = createPrivateServer();
    shells = new LoginShells(sh);
    channel = new CommandChannel(remoteShells(shells));
    asked = [];
    const shell: HostShell = {
      run: (script, options) => {
        asked.push(String(script));
        return channel.run(script, options);
      },
    };
    table = createRemoteProcessTable(new RemoteHost(() => shell, now));
  });
  afterEach(() => {
    channel.close(new ExecutorError("failed", "the test is over"));
    shells.close();
    server.dispose();
  });

  const startPane = (command: string): number => {
    server.start("new-session", "-d", "-x", "80", "-y", "24", command);
    return Number(server.tmux("display-message", "-p", "#{pane_pid}"));
  };
  const look = async (panePid: number): Promise<readonly Process[]> =>
    (await table.paneProcesses([{ panePid }])).get(panePid)?.processes ?? [];
  const find = (panePid: number, argument: string) =>
    until(`a process with ${argument}`, async () =>
      (await look(panePid)).find((process) => process.argv.includes(argument)),
    );

  it("says the same of a pane's foreground as the local one", async () => {
    const pane = startPane("sh -c 'sleep 651 & exec sleep 652'; :");
    await find(pane, "652");
    await find(pane, "651");
    const local = createLinuxProcessTable();
    try {
      const theirs = (await local.paneProcesses([{ panePid: pane }])).get(pane)?.processes ?? [];
      const ours = await look(pane);
      expect(ours).toEqual(theirs);
      expect(ours.length).toBeGreaterThanOrEqual(3);
      expect(table.boot()).toBe(local.boot());
      for (const process of ours) {
        const apart = Number(table.startedAtNs(process) - local.startedAtNs(process)) / 1e6;
        expect(Math.abs(apart)).toBeLessThan(100);
      }
    } finally {
      local.close();
    }
  });

  it("says the same start of a process at every look", async () => {
    const pane = startPane("sleep 653; :");
    const process = await find(pane, "653");
    const first = table.startedAtNs(process);
    await look(pane);
    expect(table.startedAtNs(process)).toBe(first);
  });

  it("tells stopped, running, ended and reused pids apart", async () => {
    const pane = startPane("sleep 654; sleep 655; :");
    const { pid, startRaw } = await find(pane, "654");
    expect(table.state(pid, startRaw)).toBe("S");
    expect(table.state(pid, "1")).toBeUndefined();
    signal(pid, "SIGSTOP");
    await until("it to be stopped", async () => (await look(pane)) && table.state(pid, startRaw) === "T");
    expect(table.alive(pid, startRaw)).toBe(true);
    signal(pid, "SIGKILL");
    await find(pane, "655");
    expect(table.alive(pid, startRaw)).toBe(false);
    expect(table.find(pid)).toBeUndefined();
  });

  it("sees the command change when a process executes another program", async () => {
    const go = join(server.directory, "go");
    const pane = startPane(`while ! [ -e ${go} ]; do sleep 0.02; done; exec sleep 656`);
    expect((await look(pane))[0]?.comm).toBe("sh");
    writeFileSync(go, "");
    expect(await find(pane, "656")).toMatchObject({ pid: pane, comm: "sleep" });
  });

  it("needs one round trip for a look at what is known, and gets no more than a sign when nothing changed", async () => {
    const pane = startPane("exec sleep 657");
    await find(pane, "657");
    const before = asked.length;
    for (let index = 0; index < 5; index++) expect(await look(pane)).toHaveLength(1);
    expect(asked.length - before).toBe(5);
  });

  it("reads argv with newlines and odd bytes, bounded", async () => {
    const pane = startPane(
      `exec sh -c 'sleep 658; :' "two\nlines" "$(printf '\\377x')" "$(printf %05000d 7)"`,
    );
    await find(pane, "658");
    const [process] = await look(pane);
    expect(process?.argv[3]).toBe("twolines");
    expect(process?.argv.join("").length).toBeLessThanOrEqual(4_096);
    expect(process?.argv.every((word) => word.isWellFormed())).toBe(true);
  });
});

describe("the process table of a host", () => {
  it("TC-040 is refused where the host is no Linux, and names it", async () => {
    const shell = scripted((script) =>
      script.includes("uname") ? "Darwin\n\n100\n\n/Users/u\n" : "0\n1795423353000000000\n",
    );
    const table = createRemoteProcessTable(new RemoteHost(() => shell, now));
    await expect(table.paneProcesses([])).rejects.toThrow(HostUnsupported);
    await expect(table.paneProcesses([])).rejects.toThrow(/Darwin/u);
  });

  it("takes an unreadable /proc for no table at all, not for one without processes", async () => {
    const facts = "Linux\n11111111-2222-3333-4444-555555555555\n100\n\n/home/u\n";
    const shell = scripted((script) => {
      if (script.includes("uname")) return facts;
      return script.includes("date") ? "5.0 1\n1795423353000000000\n" : "+";
    });
    const table = createRemoteProcessTable(new RemoteHost(() => shell, now));
    await expect(table.paneProcesses([{ panePid: 1 }])).rejects.toMatchObject({ kind: "protocol" });
  });

  it("keeps the answer that it has until another one arrives whole", async () => {
    const server = createPrivateServer();
    server.start("new-session", "-d", "sleep 659; :");
    const panePid = Number(server.tmux("display-message", "-p", "#{pane_pid}"));
    const first = new LoginShells();
    const second = new LoginShells();
    const channels = [new CommandChannel(remoteShells(first)), new CommandChannel(remoteShells(second))];
    let at = 0;
    const reach = (): CommandChannel => {
      const channel = channels[at];
      if (channel === undefined) throw new ExecutorError("unreachable", "none");
      return channel;
    };
    try {
      const table = createRemoteProcessTable(new RemoteHost(reach, now));
      const look = async () => (await table.paneProcesses([{ panePid }])).get(panePid)?.processes.length;
      const count = await look();
      expect(count).toBeGreaterThan(0);
      // Another connection's shell knows nothing of what the first one answered.
      at = 1;
      expect(await look()).toBe(count);
      at = 0;
      expect(await look()).toBe(count);
      at = 2;
      await expect(look()).rejects.toMatchObject({ kind: "unreachable" });
    } finally {
      for (const channel of channels) channel.close(new ExecutorError("failed", "over"));
      first.close();
      second.close();
      server.dispose();
    }
  });
});

describe("the clock of a host", () => {
  const host = (uptime: string, time: () => string) =>
    new RemoteHost(
      () =>
        scripted((script) =>
          script.includes("uname")
            ? "Linux\n11111111-2222-3333-4444-555555555555\n100\nprints\n/home/u\n"
            : `${uptime} 1.0\n${time()}\n`,
        ),
      now,
    );

  it.each([-600, 0, 600])("that is %i s ahead is measured, and boot is told by ours", async (seconds) => {
    const ahead = host("1000.00", () => `${BigInt(now() + seconds * 1_000_000) * 1_000n}`);
    await ahead.reached();
    expect(Math.abs(ahead.clockOffset - seconds * 1_000_000)).toBeLessThan(50_000);
    expect(Math.abs(ahead.bootedAt - (now() - 1_000_000_000))).toBeLessThan(50_000);
  });

  it("that tells whole seconds only is left alone while it may be right", async () => {
    const coarse = host("1000.00", () => `${Math.floor(now() / 1_000_000)}%N`);
    await coarse.reached();
    expect(coarse.clockOffset).toBe(0);
    const behind = host("1000.00", () => `${Math.floor(now() / 1_000_000) - 60}`);
    await behind.reached();
    expect(Math.abs(behind.clockOffset + 60_000_000)).toBeLessThan(1_100_000);
  });

  it("that cannot be read is said", async () => {
    await expect(host("1000.00", () => "soon").reached()).rejects.toMatchObject({ kind: "protocol" });
  });
});
