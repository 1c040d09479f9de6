import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createLinuxProcessTable } from "../../src/server/targets/linux-process-table.js";
import { createLocalAgentFiles } from "../../src/server/targets/local-agent-files.js";
import { createLocalTarget } from "../../src/server/targets/local-target.js";
import { CommandChannel } from "../../src/server/targets/shell/command-channel.js";
import { remoteShells } from "../../src/server/targets/ssh/remote-shells.js";
import { signalRemote } from "../../src/server/targets/ssh/remote-signal.js";
import type { TargetHost } from "../../src/server/targets/target-host.js";
import { createPrivateServer, type PrivateServer, signal, until } from "../tmux/private-server.js";
import { PaneProgram } from "./pane-program.js";
import { LoginShells, SHELLS } from "./shell/login-shells.js";
import { LoopbackSshd } from "./ssh/loopback-sshd.js";

/** Runs the promises of `TargetHost.signal`. */
function signalContract(name: string, host: () => Pick<TargetHost, "signal">): void {
  describe(`TC-040 a signal to a process: ${name}`, () => {
    let server: PrivateServer;
    let pane: PaneProgram;
    beforeEach(async () => {
      server = createPrivateServer();
      server.start("new-session", "-d", "sleep 1000");
      server.tmux("set-option", "-g", "remain-on-exit", "on");
      // What a signal does is written down by who gets it.
      const program = `import os, signal, sys, time
def told(number, frame):
    open(sys.argv[1] + signal.Signals(number).name, "w").close()
    if number == signal.SIGTERM: os._exit(0)
signal.signal(signal.SIGINT, told); signal.signal(signal.SIGTERM, told)
open(sys.argv[1] + "ready", "w").close()
while True: time.sleep(1)`;
      pane = await PaneProgram.open(server, `exec /usr/bin/python3 -c '${program}' ${server.directory}/`);
      await got("ready");
    });
    afterEach(() => server.dispose());

    const got = (what: string): Promise<boolean> =>
      until(what, () => existsSync(join(server.directory, what)));

    it("INT, TERM and KILL reach the one named", async () => {
      const proof = pane.proof();
      expect(await host().signal(proof, "INT")).toBe(true);
      await got("SIGINT");
      expect(await host().signal(proof, "TERM")).toBe(true);
      await got("SIGTERM");
      await pane.untilEnded(proof.pid);
      const second = await PaneProgram.open(server, "exec sleep 1000", "sleep");
      expect(await host().signal(second.proof(), "KILL")).toBe(true);
      await second.untilEnded(second.pid);
    });

    it("reaches nobody when the pid is another's by now", async () => {
      const { pid, startRaw } = pane.proof();
      for (const other of [`${Number(startRaw) - 1}`, `${startRaw}1`, startRaw.slice(1), ""]) {
        for (const name of ["INT", "TERM", "KILL"] as const) {
          expect(await host().signal({ pid, startRaw: other }, name)).toBe(false);
        }
      }
      expect(existsSync(`${server.directory}/SIGINT`)).toBe(false);
      await pane.untilState(pid, "S");
    });

    it("reaches nobody when the process is gone, or has ended and is not yet taken away", async () => {
      const proof = pane.proof();
      const dead = await pane.child(
        "/usr/bin/python3 -c 'import os, time\nif os.fork(): time.sleep(1000)'",
        "Z",
      );
      expect(await host().signal(dead, "TERM")).toBe(false);
      signal(proof.pid, "SIGKILL");
      await pane.untilEnded(proof.pid);
      expect(await host().signal(proof, "TERM")).toBe(false);
      expect(await host().signal({ pid: 2 ** 30, startRaw: "1" }, "KILL")).toBe(false);
    });

    it("reaches one that is stopped, in the background or without a terminal", async () => {
      const away = await pane.child("setsid sleep 100002; true", "S", "sleep");
      expect(await host().signal(away, "TERM")).toBe(true);
      await pane.untilEnded(away.pid);
      const stopped = await pane.child("sleep 100003; true", "S", "sleep");
      signal(stopped.pid, "SIGSTOP");
      await pane.untilState(stopped.pid, "T");
      expect(await host().signal(stopped, "KILL")).toBe(true);
      await pane.untilEnded(stopped.pid);
    });
  });
}

const processes = createLinuxProcessTable();
afterAll(() => processes.close());
const local = createLocalTarget(
  { targetId: "here", kind: "local", sshTarget: "", tmuxSocket: "", createdAt: 0 },
  { processes, files: createLocalAgentFiles(), env: process.env, settings: { commandTimeoutMs: 5_000 } },
);
afterAll(() => local.close());

signalContract("of this host", () => local);

describe("over ssh", () => {
  let sshd: LoopbackSshd;
  let shell: CommandChannel;
  let close: () => void;
  beforeAll(async () => {
    sshd = await LoopbackSshd.start();
    const connection = await sshd.open();
    shell = new CommandChannel(remoteShells(connection));
    close = () => connection.close();
  });
  afterAll(async () => {
    close();
    await sshd.close();
  });
  signalContract("of another host", () => ({
    signal: (process, name) => signalRemote(shell, process, name),
  }));
});

describe.each(SHELLS)("where sh is %s", (sh) => {
  const shells = new LoginShells(sh);
  afterAll(() => shells.close());
  const shell = new CommandChannel(remoteShells(shells));
  signalContract(sh, () => ({ signal: (process, name) => signalRemote(shell, process, name) }));
});
