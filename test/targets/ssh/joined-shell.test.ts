import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { ExecutorError } from "../../../src/server/targets/executor.js";
import { CommandChannel, type HostShell } from "../../../src/server/targets/shell/command-channel.js";
import { JoinedShell } from "../../../src/server/targets/ssh/joined-shell.js";
import { remoteShells } from "../../../src/server/targets/ssh/remote-shells.js";
import { LoginShells, SHELLS } from "../shell/login-shells.js";

const failure = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => "no failure",
    (error: unknown) => (error instanceof ExecutorError ? error.kind : error),
  );

describe.each(SHELLS)("commands that are asked of %s in one turn", (sh) => {
  const shells = new LoginShells(sh);
  const channel = new CommandChannel(remoteShells(shells));
  afterAll(() => {
    channel.close(new ExecutorError("failed", "the test is over"));
    shells.close();
  });

  let trips = 0;
  let shell: JoinedShell;
  beforeEach(() => {
    trips = 0;
    const counted: HostShell = {
      run: (script, options) => {
        trips += 1;
        return channel.run(script, options);
      },
    };
    shell = new JoinedShell(counted);
  });

  it("are one round trip; each has its own status and what it left, and complaints are nobody's", async () => {
    const [one, two, three] = await Promise.all([
      shell.run("agtmux_out='one {}:\n'; echo alas >&2; agtmux_st=3", { gathered: true }),
      shell.run("agtmux_out=two}", { gathered: true }),
      shell.run(":", { gathered: true }),
    ]);
    expect(trips).toBe(1);
    expect([one.status, one.stdout.toString(), one.stderr.toString()]).toEqual([3, "one {}:\n", ""]);
    expect([two.status, two.stdout.toString(), two.stderr.toString()]).toEqual([0, "two}", ""]);
    expect([three.status, three.stdout.toString(), three.stderr.toString()]).toEqual([0, "", ""]);
  });

  it("run in the order in which they were asked, a few promises apart as well", async () => {
    const first = shell.run("agtmux_order=first", { gathered: true });
    await Promise.resolve().then(() => Promise.resolve());
    const second = shell.run('agtmux_out="$agtmux_order second"', { gathered: true });
    expect((await second).stdout.toString()).toBe("first second");
    await first;
    expect(trips).toBe(1);
  });

  it("go alone where they do not say that they may travel together, or are asked in another turn", async () => {
    await Promise.all([shell.run("agtmux_out=a", { gathered: true }), shell.run("echo b")]);
    expect(trips).toBe(2);
    await shell.run("agtmux_out=c", { gathered: true });
    expect(trips).toBe(3);
  });

  it("are bounded each for itself", async () => {
    const flood = shell.run("agtmux_out=$(head -c 5000 /dev/zero | tr '\\0' x)", {
      gathered: true,
      maxBytes: 4_999,
    });
    const calm = shell.run("agtmux_out=calm", { gathered: true, maxBytes: 100 });
    expect(await failure(flood)).toBe("too_large");
    expect((await calm).stdout.toString()).toBe("calm");
  });

  it("are given up each for itself", async () => {
    const over = new AbortController();
    const given = failure(shell.run("agtmux_out=given", { gathered: true, signal: over.signal }));
    const kept = shell.run("agtmux_out=kept", { gathered: true });
    over.abort();
    expect(await given).toBe("failed");
    expect((await kept).stdout.toString()).toBe("kept");
  });
});

describe("commands that travel together", () => {
  it("are asked again, each by itself and none together with others for a while, if they take too long", async () => {
    const asked: [script: string, timeoutMs: number | undefined][] = [];
    const shell = new JoinedShell({
      run: (script, { timeoutMs } = {}) => {
        asked.push([Buffer.from(script).toString(), timeoutMs]);
        if (asked.length === 1) return Promise.reject(new ExecutorError("timeout", "it hangs"));
        return script === "hangs"
          ? Promise.reject(new ExecutorError("timeout", "it still hangs"))
          : Promise.resolve({ status: 0, stdout: Buffer.from(script), stderr: Buffer.from("") });
      },
    });
    const both = async () => {
      const hangs = failure(shell.run("hangs", { gathered: true, timeoutMs: 3_000 }));
      const answers = shell.run("answers", { gathered: true });
      return [await hangs, (await answers).stdout.toString()];
    };
    expect(await both()).toEqual(["timeout", "answers"]);
    expect(asked.map(([script]) => script).slice(1)).toEqual(["hangs", "answers"]);
    // Nobody waits longer than was asked for, and the others not as long as that.
    expect(asked[0]?.[1]).toBeLessThan(3_000);
    expect(asked[1]?.[1]).toBeLessThanOrEqual(3_000);
    expect(await both()).toEqual(["timeout", "answers"]);
    expect(asked).toHaveLength(5);
  });

  it("fail together when the shell does", async () => {
    const shell = new JoinedShell({ run: () => Promise.reject(new ExecutorError("unreachable", "gone")) });
    const runs = [shell.run("a", { gathered: true }), shell.run("b", { gathered: true })];
    expect(await Promise.all(runs.map(failure))).toEqual(["unreachable", "unreachable"]);
  });

  it("fail where the host answers something else", async () => {
    const nothing = { status: 0, stdout: Buffer.from("no answer"), stderr: Buffer.from("") };
    const shell = new JoinedShell({ run: () => Promise.resolve(nothing) });
    const runs = [shell.run("a", { gathered: true }), shell.run("b", { gathered: true })];
    expect(await Promise.all(runs.map(failure))).toEqual(["protocol", "protocol"]);
  });
});
