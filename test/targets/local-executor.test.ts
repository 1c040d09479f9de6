import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { failureReported } from "../../src/server/targets/executor.js";
import { createLinuxProcessTable } from "../../src/server/targets/linux-process-table.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { isInFront } from "../../src/server/targets/process-proof.js";
import { createPrivateServer, type PrivateServer, until } from "../tmux/private-server.js";
import { type ContractTarget, executorContract } from "./executor-contract.js";
import { processContract } from "./process-contract.js";

const processes = createLinuxProcessTable();
afterAll(() => processes.close());

const connect = ({ socketPath, tmuxBinary }: ContractTarget) =>
  createLocalExecutor({
    socket: { path: socketPath },
    tmuxBinary,
    env: process.env,
    inFront: (proof) => isInFront((pid) => processes.find(pid), proof),
  });
executorContract("TC-040 local", connect);
processContract("TC-040 local", (socketPath) => connect({ socketPath }));

describe("the local executor", () => {
  let server: PrivateServer;
  beforeEach(() => {
    server = createPrivateServer();
  });
  afterEach(() => server.dispose());

  const fakeTmux = (script: string): string => {
    const path = join(server.directory, "fake-tmux");
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  it("finds a server by the name of its socket under TMUX_TMPDIR, and heeds no TMUX", async () => {
    const env = { ...process.env, TMUX_TMPDIR: server.directory };
    const named = createLocalExecutor({
      socket: { name: "named" },
      env: { ...env, TMUX: "/nowhere,1,0", TMUX_PANE: "%7" },
    });
    server.start("new-session", "-d", "sleep 600");
    mkdirSync(join(server.directory, `tmux-${process.getuid?.()}`), { mode: 0o700 });
    await expect(named.run(["list-sessions"])).rejects.toMatchObject({ kind: "no_server" });
    // A second server, under a name; the private one only starts it.
    server.tmux(
      "run-shell",
      `env -u TMUX TMUX_TMPDIR=${server.directory} tmux -f /dev/null -L named new-session -d -s second 'sleep 600'`,
    );
    expect((await named.run(["list-sessions", "-F", "#{session_name}"])).stdout).toBe("second\n");
    await named.run(["kill-server"]);
    await named.close();
  });

  it("gives tmux an environment in which it speaks UTF-8 and knows of no other server", async () => {
    const executor = createLocalExecutor({
      tmuxBinary: fakeTmux('echo "$LC_ALL|$TMUX|$TMUX_PANE|$TMUX_TMPDIR|$*"'),
      socket: { path: "/x" },
      env: { PATH: process.env["PATH"], LC_ALL: "C", TMUX: "t", TMUX_PANE: "%1", TMUX_TMPDIR: "/d" },
    });
    expect((await executor.run(["list-keys"])).stdout).toBe("C|||/d|-u -N -S /x list-keys\n");
    await executor.close();
  });

  it("reports a tmux that is ended by a signal, and one that may not be run, as failed", async () => {
    const killed = createLocalExecutor({ tmuxBinary: fakeTmux("kill -9 $$"), env: process.env });
    await expect(killed.run(["list-sessions"])).rejects.toMatchObject({ kind: "failed" });
    const path = fakeTmux("true");
    chmodSync(path, 0o644);
    const forbidden = createLocalExecutor({ tmuxBinary: path, env: process.env });
    await expect(forbidden.run(["list-sessions"])).rejects.toMatchObject({ kind: "failed" });
  });

  it("kills a child that ignores the polite signal", async () => {
    const pidFile = join(server.directory, "pid");
    const executor = createLocalExecutor({
      tmuxBinary: fakeTmux(`trap '' TERM; echo $$ > ${pidFile}; while :; do sleep 0.05; done`),
      env: process.env,
    });
    await expect(executor.run(["x"], { timeoutMs: 400 })).rejects.toMatchObject({ kind: "timeout" });
    const pid = Number(readFileSync(pidFile, "utf8"));
    await until("the child is gone", () => !existsSync(`/proc/${pid}`));
  });

  it("keeps at most 64 KiB of a flood on stderr, and all of stdout", async () => {
    const executor = createLocalExecutor({
      tmuxBinary: fakeTmux("head -c 300000 /dev/zero >&2; echo done"),
      env: process.env,
    });
    const { stdout, stderr } = await executor.run(["x"]);
    expect(stdout).toBe("done\n");
    expect(stderr).toHaveLength(64 * 1024);
  });
});

describe("what tmux's own words report", () => {
  it.each([
    [1, "no server running on /tmp/s\n", "no_server"],
    [1, "error connecting to /tmp/s (No such file or directory)\n", "no_server"],
    [1, "error connecting to /tmp/s (Connection refused)\n", "no_server"],
    [1, "lost server\n", "no_server"],
    [1, "server exited unexpectedly\n", "no_server"],
    [1, "error connecting to /tmp/s (Permission denied)\n", "failed"],
    [1, "error connecting to /tmp/s (Resource temporarily unavailable)\n", "failed"],
    [1, "protocol version mismatch (client 8, server 7)\n", "protocol"],
    [1, "can't find pane: no server running on x\n", undefined],
    [0, "no server running on /tmp/s\n", undefined],
  ])("status %i with %j is %s", (status, stderr, kind) => {
    expect(failureReported(status, stderr)?.kind).toBe(kind);
  });
});
