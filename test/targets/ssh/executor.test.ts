import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ExecutorError } from "../../../src/server/targets/executor.js";
import { CommandChannel } from "../../../src/server/targets/ssh/command-channel.js";
import type { SshConnection } from "../../../src/server/targets/ssh/connection.js";
import { createSshExecutor, type ReachedHost } from "../../../src/server/targets/ssh/ssh-executor.js";
import { createPrivateServer } from "../../tmux/private-server.js";
import { executorContract } from "../executor-contract.js";
import { LoopbackSshd } from "./loopback-sshd.js";

let sshd: LoopbackSshd;
let connection: SshConnection;
let host: Pick<ReachedHost, "shell" | "open">;

beforeAll(async () => {
  sshd = await LoopbackSshd.start();
  connection = await sshd.open();
  host = { shell: new CommandChannel(connection), open: (command) => connection.exec(command) };
});
afterAll(async () => {
  connection?.close();
  await sshd?.close();
});

executorContract("TC-040 over ssh", ({ socketPath, tmuxBinary }) =>
  createSshExecutor({ host: () => host, tmuxSocket: socketPath, tmuxBinary }),
);

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
