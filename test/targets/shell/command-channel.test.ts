import { PassThrough } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { ExecutorError } from "../../../src/server/targets/executor.js";
import { CommandChannel } from "../../../src/server/targets/shell/command-channel.js";
import { SshError } from "../../../src/server/targets/ssh/connection.js";
import { remoteShells } from "../../../src/server/targets/ssh/remote-shells.js";
import { until } from "../../tmux/private-server.js";
import { LoginShells, SHELLS } from "./login-shells.js";

const used: { close(): void }[] = [];
afterEach(() => {
  for (const each of used.splice(0)) each.close();
});

const SETTINGS = { maxLanes: 3, patienceMs: 20, idleMs: 100 };

function channelOf(shells: LoginShells): CommandChannel {
  const channel = new CommandChannel(remoteShells(shells), SETTINGS);
  used.push({ close: () => channel.close(new ExecutorError("failed", "the test is over")) }, shells);
  return channel;
}

/** The kind of failure of a run. */
const failure = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => "no failure",
    (error: unknown) => (error instanceof ExecutorError ? error.kind : error),
  );

/** What several shells say arrives in one turn, as it does when one packet of the connection carries it. */
function together(shells: LoginShells): LoginShells["exec"] {
  let waiting: (() => void)[] = [];
  const hold = (source: NodeJS.ReadableStream): PassThrough => {
    const held = new PassThrough();
    source.on("data", (chunk: Buffer) => {
      if (waiting.length === 0) {
        setTimeout(() => {
          const all = waiting;
          waiting = [];
          for (const tell of all) tell();
        }, 3);
      }
      waiting.push(() => held.emit("data", chunk));
    });
    return held;
  };
  return async (command) => {
    const channel = await shells.exec(command);
    return { ...channel, stdout: hold(channel.stdout), stderr: hold(channel.stderr) };
  };
}

describe.each(SHELLS)("a command channel to %s", (sh) => {
  it("gives status, stdout and stderr, each for itself", async () => {
    const channel = channelOf(new LoginShells(sh));
    const { status, stdout, stderr } = await channel.run("echo out; echo err >&2; st 7");
    expect([status, stdout.toString(), stderr.toString()]).toEqual([7, "out\n", "err\n"]);
  });

  it("gives every byte as it is, NUL and markers of others included", async () => {
    const channel = channelOf(new LoginShells(sh));
    const { stdout } = await channel.run(
      "printf 'a\\000\\377\\n}0\\n{x'; printf '%s' 0123456789abcdef0123456789abcdef}0",
    );
    expect(stdout.equals(Buffer.from("a\0\xff\n}0\n{x0123456789abcdef0123456789abcdef}0", "latin1"))).toBe(
      true,
    );
  });

  it("gives a command nothing on its standard input", async () => {
    const channel = channelOf(new LoginShells(sh));
    expect((await channel.run("cat; echo read")).stdout.toString()).toBe("read\n");
  });

  it("keeps one shell for all commands, one after the other", async () => {
    const shells = new LoginShells(sh);
    const channel = channelOf(shells);
    for (let index = 0; index < 20; index++) {
      expect((await channel.run(`echo ${index}`)).stdout.toString()).toBe(`${index}\n`);
    }
    expect(shells.opened).toBe(1);
  });

  it("ends a command that outlives its caller", async () => {
    const shells = new LoginShells(sh);
    const channel = channelOf(shells);
    const { status } = await channel.run("lim 1 sleep 60");
    expect(status).toBeGreaterThanOrEqual(124);
  });

  it("is not held up by a command that hangs, which fails at its deadline", async () => {
    const shells = new LoginShells(sh);
    const channel = channelOf(shells);
    const hanging = failure(channel.run("sleep 5", { timeoutMs: 1_000 }));
    const begun = performance.now();
    expect((await channel.run("echo on")).stdout.toString()).toBe("on\n");
    expect(performance.now() - begun).toBeLessThan(900);
    expect(await hanging).toBe("timeout");
    expect((await channel.run("echo after")).stdout.toString()).toBe("after\n");
  });
});

describe("a command channel", () => {
  it("opens no more shells than it may, and gives back those that idle", async () => {
    const shells = new LoginShells();
    const channel = channelOf(shells);
    const runs = Array.from({ length: 30 }, (_, index) => channel.run(`sleep 0.05; echo ${index}`));
    const answers = await Promise.all(runs);
    expect(answers.map(({ stdout }) => stdout.toString())).toEqual(answers.map((_, index) => `${index}\n`));
    expect(shells.opened).toBeLessThanOrEqual(SETTINGS.maxLanes);
    await until("one shell to be left", () => channel.lanes === 1 && shells.open === 1);
  });

  it("goes on with one shell where the host gives no more", async () => {
    const shells = new LoginShells();
    let given = 0;
    const exec = async (command: string) => {
      if (given++ > 0) throw new SshError("failed", "no more sessions", "");
      return shells.exec(command);
    };
    const channel = new CommandChannel(remoteShells({ exec }), SETTINGS);
    used.push({ close: () => channel.close(new ExecutorError("failed", "over")) }, shells);
    const slow = channel.run("sleep 0.2; echo slow");
    expect((await channel.run("echo next")).stdout.toString()).toBe("next\n");
    expect((await slow).stdout.toString()).toBe("slow\n");
  });

  it("says what the host said when there is no shell at all", async () => {
    const channel = channelOf(
      new LoginShells("dash", ["sh", "-c", "echo 'This account is not available' >&2; exit 1"]),
    );
    await expect(channel.run("echo")).rejects.toMatchObject({
      kind: "failed",
      message: expect.stringContaining("This account is not available"),
    });
  });

  it("takes what login scripts print for no answer", async () => {
    const noisy = ["sh", "-c", "yes welcome | head -c 200000; echo oops >&2; exec sh"];
    const channel = channelOf(new LoginShells("dash", noisy));
    const { stdout, stderr } = await channel.run("echo answer");
    expect([stdout.toString(), stderr.toString()]).toEqual(["answer\n", ""]);
  });

  it("takes an echo of its own lines for no answer", async () => {
    const channel = channelOf(new LoginShells("dash", ["cat"]));
    expect(await failure(channel.run("echo", { timeoutMs: 300 }))).toBe("timeout");
  });

  it("gives up a host that never stops talking", async () => {
    const shells = new LoginShells("dash", ["yes"]);
    const channel = channelOf(shells);
    expect(await failure(channel.run("echo"))).toBe("protocol");
    await until("no shell to be left", () => shells.open === 0);
  });

  it("refuses output beyond maxBytes, cuts stderr, and goes on", async () => {
    const channel = channelOf(new LoginShells());
    expect(await failure(channel.run("head -c 200000 /dev/zero", { maxBytes: 100_000 }))).toBe("too_large");
    expect((await channel.run("head -c 100000 /dev/zero", { maxBytes: 100_000 })).stdout).toHaveLength(
      100_000,
    );
    const { stderr, stdout } = await channel.run("head -c 200000 /dev/zero >&2; echo on");
    expect(stderr).toHaveLength(64 * 1024);
    expect(stdout.toString()).toBe("on\n");
  });

  it("fails a command whose shell ends under it, and runs the next one", async () => {
    const channel = channelOf(new LoginShells());
    expect(await failure(channel.run("kill -9 $$"))).toBe("failed");
    expect((await channel.run("echo next")).stdout.toString()).toBe("next\n");
  });

  it("rejects what is in flight, what waits and what comes later once it is closed, and leaves nothing running", async () => {
    const shells = new LoginShells();
    const channel = channelOf(shells);
    await channel.run(":");
    const runs = Array.from({ length: 8 }, () => failure(channel.run("sleep 5")));
    await until("more shells", () => channel.lanes > 1);
    channel.close(new ExecutorError("unreachable", "lost"));
    expect(new Set(await Promise.all(runs))).toEqual(new Set(["unreachable"]));
    expect(await failure(channel.run("echo"))).toBe("unreachable");
    await until("no shell to be left", () => shells.open === 0);
  });

  it("leaves no timer behind, however its commands followed each other", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = timers();
    const shells = new LoginShells();
    const channel = new CommandChannel(remoteShells({ exec: together(shells) }), {
      ...SETTINGS,
      idleMs: 60_000,
    });
    used.push(shells);
    for (let round = 0; round < 20; round++) {
      const runs = Array.from({ length: 10 }, () => channel.run(round === 0 ? "sleep 0.05" : ":"));
      await Promise.all(runs.map((run) => run.then(() => channel.run(":"))));
    }
    expect(channel.lanes).toBeGreaterThan(1);
    channel.close(new ExecutorError("failed", "over"));
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("waits for slow login scripts longer than for any command, and is there for the next one", async () => {
    const shells = new LoginShells("dash", ["sh", "-c", "sleep 0.6; exec sh"]);
    const channel = channelOf(shells);
    expect(await failure(channel.run("echo", { timeoutMs: 200 }))).toBe("timeout");
    expect((await channel.run("echo there")).stdout.toString()).toBe("there\n");
    expect(shells.opened).toBe(1);
  });
});
