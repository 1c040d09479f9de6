import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Executor, ExecutorError } from "../../src/server/targets/executor.js";
import type { PaneProcessProof } from "../../src/server/targets/process-proof.js";
import { createPrivateServer, type PrivateServer, signal, until } from "../tmux/private-server.js";
import { childrenOf, PaneProgram } from "./pane-program.js";

/** Runs the promises of `RunOptions.process` and `inFront` against any executor. */
export function processContract(name: string, connect: (socketPath: string) => Executor): void {
  describe(`the process that a command is for: ${name}`, () => {
    let server: PrivateServer;
    let executor: Executor;
    let pane: PaneProgram;
    beforeEach(async () => {
      server = createPrivateServer();
      server.start("new-session", "-d", "-x", "80", "-y", "24", "sleep 600");
      executor = connect(server.socketPath);
      pane = await PaneProgram.open(server, "exec sleep 100000", "sleep");
    });

    afterEach(async () => {
      await executor.close();
      server.dispose();
    });

    /** What becomes of a command for that process; a refused one must have done nothing. */
    const asked = async (process: PaneProcessProof): Promise<unknown> => {
      await executor.run(["set-buffer", "-b", "trace", "before"]);
      const before = await executor.inFront(process);
      const stdin = Buffer.from("after");
      const fed = executor.run(["load-buffer", "-b", "trace", "-"], { stdin, process });
      const outcome = await fed.then(
        () => "no failure",
        (error: unknown) => (error instanceof ExecutorError ? error.kind : error),
      );
      const { stdout } = await executor.run(["show-buffer", "-b", "trace"]);
      expect(stdout).toBe(outcome === "no failure" ? "after" : "before");
      // Who only asks is told the same; some programs are on their way.
      expect([before, await executor.inFront(process)]).toContain(outcome === "no failure");
      return outcome;
    };

    it("is: the command runs and is fed, as often as it is asked for", async () => {
      for (let time = 0; time < 3; time++) expect(await asked(pane.proof())).toBe("no failure");
      const { stdout } = await executor.run(["display-message", "-p", "x"], { process: pane.proof() });
      expect(stdout).toBe("x\n");
    });

    it("cannot be asked for when the executor is closed", async () => {
      await executor.close();
      await expect(executor.inFront(pane.proof())).rejects.toMatchObject({ kind: "failed" });
    });

    it("is another one with the same pid: nothing is run", async () => {
      const { startRaw, ...rest } = pane.proof();
      for (const other of [`${Number(startRaw) + 1}`, startRaw.slice(0, -1), `${startRaw}0`, "0", ""]) {
        expect(await asked({ ...rest, startRaw: other })).toBe("process_changed");
      }
    });

    it("is gone: nothing is run", async () => {
      const proof = pane.proof();
      signal(proof.pid, "SIGKILL");
      await pane.untilEnded(proof.pid);
      expect(await asked(proof)).toBe("process_changed");
      expect(await asked({ ...proof, pid: 2 ** 30, panePid: 2 ** 30 })).toBe("process_changed");
    });

    it("has ended and is not yet taken away: nothing is run", async () => {
      const sleeper = await pane.child(
        "exec /usr/bin/python3 -c 'import os, time\nif os.fork(): time.sleep(1000)'",
        "Z",
      );
      expect(await asked(sleeper)).toBe("process_changed");
    });

    it("is stopped: nothing is run, until it goes on", async () => {
      // tmux itself wakes a pane's first process.
      const proof = await pane.child("sleep 100006; true", "S", "sleep");
      signal(proof.pid, "SIGSTOP");
      await pane.untilState(proof.pid, "T");
      expect(await asked(proof)).toBe("process_changed");
      signal(proof.pid, "SIGCONT");
      await pane.untilState(proof.pid, "S");
      expect(await asked(proof)).toBe("no failure");
    });

    it("is in the background of its terminal: nothing is run, until it is in front", async () => {
      const shell = await PaneProgram.open(server, "exec sh -im", "sh");
      shell.type("sleep 100001 &");
      const sleeper = await shell.child("", "S");
      expect(await asked(sleeper)).toBe("process_changed");
      expect(await asked(shell.proof())).toBe("no failure");
      shell.type("fg");
      await until("it is in front", async () => (await asked(sleeper)) === "no failure");
      expect(await asked(shell.proof())).toBe("process_changed");
      server.tmux("send-keys", "-t", shell.paneId, "C-z");
      await until("it is stopped", async () => (await asked(sleeper)) === "process_changed");
    });

    it("has no terminal, or none that is the pane's: nothing is run", async () => {
      const away = await pane.child("setsid sleep 100002; true", "S", "sleep");
      expect(await asked(away)).toBe("process_changed");
      const other = await PaneProgram.open(server, "exec sleep 100003", "sleep");
      expect(await asked({ ...other.proof(), panePid: pane.pid })).toBe("process_changed");
      expect(await asked({ ...pane.proof(), panePid: 2 ** 30 })).toBe("process_changed");
    });

    it("has a terminal of its own within the pane's: what holds that one must be in front as well", async () => {
      const shell = await PaneProgram.open(server, "exec sh -im", "sh");
      shell.type("script -qc 'script -qc \"sleep 100004\" /dev/null' /dev/null");
      const inner = await shell.child("", "S", "sleep");
      const holder = childrenOf(shell.pid)[0] ?? 0;
      expect(await asked(inner)).toBe("no failure");
      signal(holder, "SIGSTOP");
      await until("the shell is in front", async () => (await asked(shell.proof())) === "no failure");
      expect(await asked(inner)).toBe("process_changed");
      shell.type("fg");
      await until("it is in front again", async () => (await asked(inner)) === "no failure");
      // The terminal in between, too.
      const [between = 0] = childrenOf(childrenOf(holder)[0] ?? 0);
      signal(between, "SIGSTOP");
      await pane.untilState(between, "T");
      expect(await asked(inner)).toBe("process_changed");
      signal(between, "SIGCONT");
    });

    it("is run by a shell within a terminal of its own: that shell need not be in front", async () => {
      const shell = await PaneProgram.open(server, "SHELL=/bin/sh exec script -q /dev/null", "script");
      const within = await shell.child("", "S", "sh");
      expect(await asked(within)).toBe("no failure");
      shell.type("set -m; sleep 100007");
      const sleeper = await shell.child("", "S", "sleep");
      expect(await asked(sleeper)).toBe("no failure");
      expect(await asked(within)).toBe("process_changed");
      signal(sleeper.pid, "SIGKILL");
      await until("the shell to be in front", async () => (await asked(within)) === "no failure");
    });

    it.each(["a) R 1 1 (", "x\n1 (y) R", ") S 1 1 1 1 1", "(((", "%s$(x)`x`*", "a  b \\"])(
      "may call itself %j",
      async (name) => {
        const program = join(server.directory, name.replaceAll("/", "_"));
        copyFileSync("/bin/sleep", program);
        writeFileSync(join(server.directory, "name"), program);
        const hostile = await pane.child(
          `/usr/bin/python3 -c 'import os\nn = open("${server.directory}/name", newline="").read()\nos.execv(n, [n, "100005"])'; true`,
          "S",
          name,
        );
        expect(await asked(hostile)).toBe("no failure");
        expect(await asked({ ...hostile, startRaw: "1" })).toBe("process_changed");
        signal(hostile.pid, "SIGSTOP");
        await pane.untilState(hostile.pid, "T");
        expect(await asked(hostile)).toBe("process_changed");
      },
    );
  });
}
