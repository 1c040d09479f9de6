import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { CleanUp } from "../../src/server/actions/buffers.js";
import { ProvenGuards } from "../../src/server/actions/pane-hand.js";
import type { Executor } from "../../src/server/targets/executor.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { guardProbe, PROBE_ANSWERS } from "../../src/server/tmux/guard.js";
import { SILENT } from "../support/silent-log.js";
import { createPrivateServer, type PrivateServer } from "./private-server.js";

describe("TC-061 the probe of a server's guard", () => {
  let server: PrivateServer;
  let executor: Executor;

  beforeEach(() => {
    server = createPrivateServer();
    executor = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
  });
  afterEach(async () => {
    await executor.close();
    server.dispose();
  });

  const guards = (): ProvenGuards => new ProvenGuards(new CleanUp(SILENT));
  const aim = { target: "lab", bootId: "1:2", paneId: "%0", panePid: 1, process: { pid: 1, startRaw: "1" } };

  it("answers on this tmux as it must, also while other panes and a dead one are there", async () => {
    server.start("new-session", "-d", "sleep 1000");
    server.tmux("set-option", "-g", "remain-on-exit", "on");
    server.tmux("split-window", "-d", "true");
    const { stdout, stderr } = await executor.run(guardProbe("%0"));
    expect([stdout, stderr]).toEqual([PROBE_ANSWERS, ""]);
    await guards().prove(executor, aim);
  });

  it("does not answer so for a pane that is gone, which is no fault of this tmux", async () => {
    server.start("new-session", "-d", "sleep 1000");
    expect((await executor.run(guardProbe("%5"))).stdout).not.toBe(PROBE_ANSWERS);
    const gone = guards().prove(executor, { ...aim, paneId: "%5" });
    await expect(gone).rejects.toMatchObject({ code: ErrorCode.E_RUNTIME_STALE });
  });

  it.each([
    ["grants everything", "for i in 1 2 3 4 5 6 7 8; do echo y; done"],
    ["refuses everything", "for i in 1 2 3 4 5 6 7 8; do echo n; done"],
    ["says nothing", "true"],
    ["does not know the command", "echo 'unknown command: if-shell' >&2; exit 1"],
    ["says more than it is asked", `printf '%s' '${PROBE_ANSWERS}y'`],
    ["answers one thing otherwise", `printf '%s' '${PROBE_ANSWERS.replace(/y\n$/u, "n\n")}'`],
  ])("refuses a tmux that %s with E_UNSUPPORTED each time, and has it do nothing", async (_what, answer) => {
    const calls = join(server.directory, "calls");
    const stub = join(server.directory, "stub-tmux");
    writeFileSync(stub, `#!/bin/sh\necho "$*" >> ${calls}\n${answer}\n`);
    chmodSync(stub, 0o755);
    const stubbed = createLocalExecutor({ tmuxBinary: stub, env: process.env });
    const refusing = guards();
    for (let time = 0; time < 2; time++) {
      await expect(refusing.prove(stubbed, aim)).rejects.toMatchObject({
        code: ErrorCode.E_UNSUPPORTED,
        details: { reason: "guard_does_not_work" },
      });
    }
    const words = readFileSync(calls, "utf8").split(/\s+/u);
    expect(words.filter((word) => /^(?:if-shell|list-panes)$/u.test(word)).length).toBeGreaterThanOrEqual(16);
    for (const command of ["send-keys", "paste-buffer", "load-buffer", "delete-buffer", "list-buffers"]) {
      expect(words).not.toContain(command);
    }
    await stubbed.close();
  });

  it("is asked once per server life and target", async () => {
    server.start("new-session", "-d", "sleep 1000");
    let asked = 0;
    const counting: Executor = {
      ...executor,
      run: (argv, options) => {
        if (argv.includes(guardProbe("%0")[4] ?? "")) asked += 1;
        return executor.run(argv, options);
      },
    };
    const proven = guards();
    for (let time = 0; time < 3; time++) await proven.prove(counting, aim);
    expect(asked).toBe(1);
    await proven.prove(counting, { ...aim, bootId: "1:3" });
    await proven.prove(counting, { ...aim, target: "other" });
    expect(asked).toBe(3);
  });
});
