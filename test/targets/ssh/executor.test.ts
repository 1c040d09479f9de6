import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Executor, ExecutorError } from "../../../src/server/targets/executor.js";
import { CommandChannel } from "../../../src/server/targets/shell/command-channel.js";
import type { SshConnection } from "../../../src/server/targets/ssh/connection.js";
import { JoinedShell } from "../../../src/server/targets/ssh/joined-shell.js";
import { remoteShells } from "../../../src/server/targets/ssh/remote-shells.js";
import { createSshExecutor, type ReachedHost } from "../../../src/server/targets/ssh/ssh-executor.js";
import { createPrivateServer, signal, until } from "../../tmux/private-server.js";
import { executorContract } from "../executor-contract.js";
import { processContract } from "../process-contract.js";
import { LoginShells, SHELLS } from "../shell/login-shells.js";
import { LoopbackSshd } from "./loopback-sshd.js";

let sshd: LoopbackSshd;
let connection: SshConnection;
let host: Pick<ReachedHost, "shell" | "open">;

beforeAll(async () => {
  sshd = await LoopbackSshd.start();
  connection = await sshd.open();
  host = { shell: new CommandChannel(remoteShells(connection)), open: (command) => connection.exec(command) };
});
afterAll(async () => {
  connection?.close();
  await sshd?.close();
});

executorContract("TC-040 over ssh", ({ socketPath, tmuxBinary }) =>
  createSshExecutor({ host: () => host, tmuxSocket: socketPath, tmuxBinary }),
);

processContract("TC-040 over ssh", (tmuxSocket) => createSshExecutor({ host: () => host, tmuxSocket }));

/** Has all that is run travel with what else is asked. */
function gathering(executor: Executor): Executor {
  return { ...executor, run: (argv, options) => executor.run(argv, { ...options, gathered: true }) };
}

describe.each(SHELLS)("where sh is %s", (sh) => {
  const shells = new LoginShells(sh);
  const shell = new CommandChannel(remoteShells(shells));
  const joined = new JoinedShell(shell);
  afterAll(() => shells.close());
  executorContract(`TC-040 gathered, ${sh}`, ({ socketPath, tmuxBinary }) =>
    gathering(
      createSshExecutor({
        host: () => ({ shell: joined, open: shells.exec }),
        tmuxSocket: socketPath,
        tmuxBinary,
      }),
    ),
  );
  processContract(sh, (tmuxSocket) =>
    createSshExecutor({ host: () => ({ shell, open: shells.exec }), tmuxSocket }),
  );
});

describe("the ssh executor", () => {
  it("refuses a socket that a shell could take for something else", () => {
    for (const tmuxSocket of ["a b", "/tmp/$(x)", "/tmp/é", "x;y", "a\nb"]) {
      expect(() => createSshExecutor({ host: () => host, tmuxSocket })).toThrow(RangeError);
    }
  });

  it("refuses a NUL in what a command is fed", async () => {
    const server = createPrivateServer();
    server.start("new-session", "-d", "sleep 600");
    const executor = createSshExecutor({ host: () => host, tmuxSocket: server.socketPath });
    const fed = executor.run(["load-buffer", "-"], { stdin: Uint8Array.of(97, 0, 98) });
    await expect(fed).rejects.toMatchObject({ kind: "failed" });
    server.dispose();
  });

  it("leaves no process of its own on a host to which the connection was cut, whatever it was writing", async () => {
    const server = createPrivateServer();
    server.start("new-session", "-d", "-s", "work", "sleep 600");
    // The sshd of the other tests is not to be cut.
    const sshd = await LoopbackSshd.start();
    try {
      for (let round = 0; round < 25; round++) {
        const cut = await sshd.open();
        const shell = new CommandChannel(remoteShells(cut));
        const executor = createSshExecutor({
          host: () => ({ shell, open: (command) => cut.exec(command) }),
          tmuxSocket: server.socketPath,
        });
        const bell = executor.doorbell(
          () => undefined,
          () => undefined,
        );
        expect(await bell.ready).toBe(true);
        // The server has something to say at the very moment.
        const names = Array.from({ length: 40 }, (_, index) => [
          "rename-session",
          "-t",
          "$0",
          `n${index}`,
          ";",
        ]);
        const busy = once(
          spawn("tmux", ["-S", server.socketPath, ...names.flat()], { stdio: "ignore" }),
          "close",
        );
        sshd.cut();
        await cut.closed;
        await busy;
        await executor.close();
      }
      await until("the clients to be gone", () => clientsOf(server.socketPath).length === 0);
    } finally {
      for (const pid of clientsOf(server.socketPath)) signal(pid, "SIGKILL");
      server.dispose();
      await sshd.close();
    }
  }, 60_000);

  it.each(SHELLS)("has a doorbell that ends with its channel where sh is %s", async (sh) => {
    const server = createPrivateServer();
    server.start("new-session", "-d", "-s", "work", "sleep 600");
    const shells = new LoginShells(sh);
    const executor = createSshExecutor({
      host: () => ({ shell: host.shell, open: shells.exec }),
      tmuxSocket: server.socketPath,
    });
    try {
      const rings: string[] = [];
      const ends: string[] = [];
      const bell = executor.doorbell(
        (line) => rings.push(line),
        (reason) => ends.push(reason),
      );
      expect(await bell.ready).toBe(true);
      server.tmux("rename-session", "-t", "$0", "renamed");
      await until("the ring", () => rings.some((line) => line.includes("renamed")));
      bell.close();
      await until("its client to be gone", () => clientsOf(server.socketPath).length === 0);
      expect(ends).toEqual([]);
    } finally {
      await executor.close();
      shells.close();
      server.dispose();
    }
  });

  it("says unreachable while there is no connection", async () => {
    const lost = new ExecutorError("unreachable", "there is no connection to the host");
    const executor = createSshExecutor({
      host: () => {
        throw lost;
      },
      tmuxSocket: "",
    });
    await expect(executor.run(["list-sessions"])).rejects.toBe(lost);
    const ends: string[] = [];
    const bell = executor.doorbell(
      () => undefined,
      (reason) => ends.push(reason),
    );
    expect(await bell.ready).toBe(false);
    expect(ends).toEqual([lost.message]);
  });
});

/** Pids of the tmux clients that talk to the server of a socket. */
function clientsOf(socketPath: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      return words[0] === "tmux" && words.includes("wait-for") && words.includes(socketPath)
        ? [Number(name)]
        : [];
    } catch {
      return []; // gone since, or no process
    }
  });
}
