import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SshConnection } from "../../../src/server/targets/ssh/connection.js";
import { UserSshOpener } from "../../../src/server/targets/ssh/opener.js";
import { descendants, makeKey, SshClientHome, TestSshd, until } from "./sshd.js";
import { DeafPort, FakeServer } from "./stand-ins.js";

const OPENS = 50;
/** Seconds that nothing else sleeps. */
const MARK = `8${process.pid}.25`;

let home: SshClientHome;
let sshd: TestSshd;
let mute: FakeServer;
let deaf: DeafPort;

beforeAll(async () => {
  home = new SshClientHome();
  sshd = await TestSshd.start({ authorized: [home.key] });
  mute = await FakeServer.start(() => undefined);
  deaf = await DeafPort.start();
  writeFileSync(
    join(home.directory, "relay.mjs"),
    `import { connect } from "node:net";
     const socket = connect(Number(process.argv[2]), "127.0.0.1");
     process.stdin.pipe(socket).pipe(process.stdout);`,
  );
  const locked = makeKey(join(home.directory, "locked"), { passphrase: "secret" });
  const proxy = `ProxyCommand ${process.execPath} ${home.directory}/relay.mjs`;
  home.write(
    [
      "Host direct jumped through bastion",
      `  Port ${sshd.port}`,
      "Host jumped",
      "  ProxyJump bastion",
      "Host through",
      `  ${proxy} %p`,
      "Host unknown",
      `  Port ${sshd.port}`,
      "  UserKnownHostsFile none",
      "Host mute",
      `  Port ${mute.port}`,
      "Host mute-program",
      `  ProxyCommand sh -c 'sleep ${MARK}; true'`,
      "Host deaf",
      `  Port ${deaf.port}`,
      "Host refused",
      `  Port ${sshd.port}`,
      "  User nobody-of-that-name",
      `  IdentityFile ${locked.path}`,
      "Host jumped-mute",
      `  Port ${mute.port}`,
      "  ProxyJump bastion",
    ].join("\n"),
  );
  writeFileSync(home.knownHosts, sshd.knownHostsLine());
});
afterAll(async () => {
  mute.close();
  deaf.close();
  await sshd.close();
  home.close();
});

/** What would be left behind: handles of the event loop by kind, file descriptors, and child processes. */
function held(): Record<string, number> {
  const counts: Record<string, number> = {
    descriptors: readdirSync("/proc/self/fd").length,
    children: descendants(process.pid).filter((pid) => !sshd.owns(pid) && running(pid)).length,
  };
  for (const kind of process.getActiveResourcesInfo()) {
    if (/Socket|Pipe|Process|TCP|TTY|Timeout/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

function running(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const opener = (): UserSshOpener =>
  new UserSshOpener({ env: process.env, configFile: home.configFile, handshakeMs: 5_000 });

async function backTo(before: Record<string, number>): Promise<void> {
  await until("everything is let go", () => {
    const now = held();
    return Object.keys(now).every((kind) => (now[kind] ?? 0) <= (before[kind] ?? 0));
  }).catch(() => expect(held()).toEqual(before));
  await until("the host has no connection", () => sshd.sessions().length === 0);
}

/** Whether the program that the ProxyCommand of `mute-program` starts still runs, whoever its parent is now. */
function sleeping(): boolean {
  return readdirSync("/proc").some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8") === `sleep\0${MARK}\0`;
    } catch {
      return false;
    }
  });
}

describe("TC-076 nothing is left behind", () => {
  it.each(["direct", "jumped", "through"])("by opens that succeed and are closed: %s", async (alias) => {
    await use(alias, true);
    const before = held();
    const rounds = alias === "direct" ? OPENS : 8;
    for (let round = 0; round < rounds; round++) await use(alias, round % 5 === 0);
    await backTo(before);
  });

  it("by many connections at a time, each cut off by the host", async () => {
    const before = held();
    const connections = await Promise.all(
      Array.from({ length: 10 }, () => opener().open("direct", new AbortController().signal)),
    );
    await Promise.all(connections.map((connection) => connection.exec("sleep 100")));
    sshd.killSessions();
    await Promise.all(connections.map((connection) => connection.closed));
    await backTo(before);
  });

  it.each(["unknown", "refused", "mute", "mute-program", "jumped-mute", "deaf"])(
    "by opens that fail or are given up: %s",
    async (alias) => {
      const before = held();
      for (let round = 0; round < 6; round++) {
        const stop = new AbortController();
        const attempt = opener().open(alias, stop.signal);
        if (alias.includes("mute") || alias === "deaf") setTimeout(() => stop.abort(), 150);
        await expect(attempt).rejects.toMatchObject({ name: "SshError" });
      }
      await backTo(before);
      expect(mute.open).toBe(0);
      await until("what a ProxyCommand started is gone", () => !sleeping());
    },
  );

  it("by opens that are given up at any moment", async () => {
    const before = held();
    for (let round = 0; round < 25; round++) {
      const stop = new AbortController();
      const attempt = opener().open("jumped", stop.signal);
      const timer = setTimeout(() => stop.abort(), round * 9);
      await attempt.then(
        (connection) => connection.close(),
        (error: unknown) => expect(error).toMatchObject({ message: "the attempt was given up" }),
      );
      clearTimeout(timer);
    }
    await backTo(before);
  });

  async function use(alias: string, command: boolean): Promise<void> {
    const connection: SshConnection = await opener().open(alias, new AbortController().signal);
    if (command) {
      const channel = await connection.exec("echo used");
      for await (const chunk of channel.stdout) expect(chunk.toString()).toBe("used\n");
    }
    connection.close();
    await connection.closed;
  }
});
