import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type SshConnection, SshError, type SshFailure } from "../../../src/server/targets/ssh/connection.js";
import { ReconnectDelay } from "../../../src/server/targets/ssh/reconnect-delay.js";
import { watchSshFiles } from "../../../src/server/targets/ssh/ssh-files-watch.js";
import { type ConnectOptions, SshLink } from "../../../src/server/targets/ssh/ssh-link.js";
import { until } from "../../tmux/private-server.js";
import { LoginShells } from "../shell/login-shells.js";
import { LoopbackSshd } from "./loopback-sshd.js";

const SETTINGS = {
  reconnectFirstMs: 5,
  reconnectMostMs: 20,
  reconnectLaterMs: 40,
  reconnectEagerMs: 60_000,
  downWindowMs: 30_000,
};

/** A connection that a test may lose. */
class TestConnection implements SshConnection {
  readonly shells = new LoginShells();
  readonly #over = Promise.withResolvers<SshError>();
  readonly closed = this.#over.promise;
  exec: SshConnection["exec"] = this.shells.exec;
  isClosed = false;

  sftp = (): never => {
    throw new Error("not used");
  };
  forwardOut = (): never => {
    throw new Error("not used");
  };
  forwardIn = (): never => {
    throw new Error("not used");
  };
  lose(kind: SshFailure = "lost"): void {
    this.shells.close();
    this.#over.resolve(new SshError(kind, `the connection is ${kind}`, "try again"));
  }
  close(): void {
    this.isClosed = true;
    this.lose();
  }
}

class Lab {
  readonly connections: TestConnection[] = [];
  readonly options: ConnectOptions[] = [];
  readonly events: string[] = [];
  /** Ways in which the next attempts fail. */
  failures: SshFailure[] = [];
  /** The next attempts never end. */
  hang = false;
  attempts = 0;
  running = 0;
  mostRunning = 0;
  changed: (() => void) | undefined;
  readonly link: SshLink;

  constructor(settings: Partial<typeof SETTINGS> = {}) {
    this.link = new SshLink({
      open: (signal, options) => this.#open(signal, options),
      watchFiles: (onChange) => {
        this.changed = onChange;
        return { close: () => (this.changed = undefined) };
      },
      settings: { ...SETTINGS, ...settings },
    });
    labs.push(this);
  }

  start(options?: ConnectOptions): void {
    const onDown = ({ kind }: SshError, final: boolean) =>
      this.events.push(`${kind}${final ? " for good" : ""}`);
    this.link.start({ onUp: () => this.events.push("up"), onDown }, options);
  }

  get last(): TestConnection {
    const last = this.connections.at(-1);
    if (last === undefined) throw new Error("no connection was made");
    return last;
  }

  untilUp = (count = 1): Promise<unknown> =>
    until(`connection ${count}`, () => this.link.up && this.connections.length >= count);

  async #open(signal: AbortSignal, options: ConnectOptions): Promise<SshConnection> {
    this.attempts += 1;
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    this.options.push(options);
    try {
      if (this.hang) {
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      }
      await new Promise((resolve) => setImmediate(resolve));
      const failure = this.failures.shift();
      if (failure !== undefined) throw new SshError(failure, `it is ${failure}`, "do something");
      const connection = new TestConnection();
      this.connections.push(connection);
      return connection;
    } finally {
      this.running -= 1;
    }
  }
}

const labs: Lab[] = [];
afterEach(() => {
  for (const { link, connections } of labs.splice(0)) {
    link.close();
    for (const connection of connections) connection.close();
  }
});

describe("the link to a host", () => {
  it("TC-034 is made anew when it is lost, and fails what was in flight as unreachable, with why", async () => {
    const lab = new Lab();
    lab.start();
    await lab.untilUp();
    const { shell } = lab.link.host();
    expect((await shell.run("echo on")).stdout.toString()).toBe("on\n");
    const running = shell.run("sleep 5");
    running.catch(() => undefined);
    lab.last.lose();
    await expect(running).rejects.toMatchObject({ kind: "unreachable", cause: { kind: "lost" } });
    await lab.untilUp(2);
    expect((await lab.link.host().shell.run("echo on")).stdout.toString()).toBe("on\n");
    await expect(shell.run("echo")).rejects.toMatchObject({ kind: "unreachable" });
    expect(lab.events).toEqual(["up", "lost", "up"]);
  });

  it("says unreachable while there is none", () => {
    const lab = new Lab();
    expect(() => lab.link.host()).toThrow(expect.objectContaining({ kind: "unreachable" }));
    expect(lab.link.up).toBe(false);
  });

  it("tries again after faults that pass, and tells of each", async () => {
    const lab = new Lab();
    lab.failures = ["refused", "timeout", "resolve", "proxy", "failed"];
    lab.start();
    await lab.untilUp();
    expect(lab.events).toEqual(["refused", "timeout", "resolve", "proxy", "failed", "up"]);
    expect(lab.mostRunning).toBe(1);
  });

  it.each([
    "auth",
    "key_encrypted",
    "host_key_unknown",
    "host_key_changed",
    "host_key_revoked",
    "config",
  ] as const)(
    "does not try again by itself after %s, but when the user asks or has changed the ssh files",
    async (failure) => {
      const lab = new Lab();
      lab.failures = [failure, failure, failure];
      lab.start();
      const told = `${failure} for good`;
      await until("the fault", () => lab.events.length === 1);
      // A jump of the clock is no reason to be locked out.
      await lab.link.hurry();
      expect(lab.attempts).toBe(1);
      await lab.link.connect();
      await until("the files to be watched", () => lab.changed);
      lab.changed?.();
      await until("the third fault", () => lab.events.length === 3);
      expect(lab.events).toEqual([told, told, told]);
      await lab.link.connect();
      expect(lab.link.up).toBe(true);
      expect(lab.changed).toBeUndefined();
    },
  );

  it("makes one attempt at a time, however many ask for one", async () => {
    const lab = new Lab();
    lab.start();
    await Promise.all([lab.link.connect(), lab.link.hurry(), lab.link.connect()]);
    expect(lab.attempts).toBe(1);
    await lab.link.connect();
    expect(lab.attempts).toBe(1);
  });

  it("does not wait for the next attempt when it is asked to connect, or the clock has jumped", async () => {
    for (const ask of ["connect", "hurry"] as const) {
      const lab = new Lab({ reconnectFirstMs: 60_000, reconnectMostMs: 60_000 });
      lab.failures = ["refused"];
      lab.start();
      await until("the fault", () => lab.events.length === 1);
      await lab.link[ask]();
      expect(lab.events).toEqual(["refused", "up"]);
    }
  });

  it("gives up a connection that does not answer the smallest question, and keeps one that does", async () => {
    const lab = new Lab();
    lab.start();
    await lab.untilUp();
    await lab.link.hurry();
    expect(lab.connections).toHaveLength(1);
    lab.last.exec = () => Promise.reject(new SshError("failed", "no more sessions", ""));
    await lab.link.hurry();
    expect(lab.connections).toHaveLength(1);
    lab.last.exec = () => Promise.reject(new SshError("timeout", "no answer", ""));
    const silent = lab.last;
    await lab.link.hurry();
    await lab.untilUp(2);
    expect(silent.isClosed).toBe(true);
    expect(lab.events).toEqual(["up", "lost", "up"]);
  });

  it("counts an outage that lasts for the whole window as final, however slow the attempts", async () => {
    const lab = new Lab({ downWindowMs: 30 });
    lab.failures = Array.from({ length: 20 }, () => "timeout" as const);
    lab.start();
    await until("a final one", () => lab.events.includes("timeout for good"));
    expect(lab.events[0]).toBe("timeout");
  });

  it("takes the word on a new host key for the first attempt only", async () => {
    const lab = new Lab();
    lab.failures = ["refused"];
    lab.start({ acceptNewHostKey: true });
    await lab.untilUp();
    expect(lab.options).toEqual([{ acceptNewHostKey: true }, {}]);
  });

  it("that is closed ends an attempt, a wait and a connection, and begins nothing more", async () => {
    const hanging = new Lab();
    hanging.hang = true;
    hanging.start();
    hanging.link.close();
    await until("the attempt to end", () => hanging.running === 0);
    expect(hanging.events).toEqual([]);

    const waiting = new Lab({ reconnectFirstMs: 60_000, reconnectMostMs: 60_000 });
    waiting.failures = ["refused"];
    waiting.start();
    await until("the fault", () => waiting.events.length === 1);
    waiting.link.close();
    await waiting.link.connect();
    expect(waiting.attempts).toBe(1);

    const standing = new Lab();
    standing.start();
    await standing.untilUp();
    const running = standing.link.host().shell.run("sleep 5");
    running.catch(() => undefined);
    standing.link.close();
    await expect(running).rejects.toMatchObject({ kind: "failed" });
    expect(standing.last.isClosed).toBe(true);
    expect(standing.events).toEqual(["up"]);
  });

  it("TC-034 holds through fifty flaps of a real sshd and leaves no channel, timer or handle", async () => {
    const sshd = await LoopbackSshd.start();
    const events: string[] = [];
    const make = () =>
      new SshLink({
        open: (signal, options) => sshd.opener.open("vm1", signal, options),
        watchFiles: () => ({ close: () => undefined }),
        settings: SETTINGS,
      });
    const use = async (link: SshLink): Promise<void> => {
      await until("a connection", () => link.up);
      const { shell } = link.host();
      // It may be cut in the middle.
      await shell.run("echo on").catch(() => undefined);
    };
    const before = held();
    try {
      const link = make();
      link.start({ onUp: () => events.push("up"), onDown: ({ kind }) => events.push(kind) });
      await use(link);
      for (let flap = 0; flap < 50; flap++) {
        const ups = events.filter((event) => event === "up").length;
        sshd.cut();
        await until("another connection", () => events.filter((event) => event === "up").length > ups);
        if (flap % 5 === 0) await use(link);
      }
      await use(link);
      expect((await link.host().shell.run("echo right")).stdout.toString()).toBe("right\n");
      expect(new Set(events)).toEqual(new Set(["up", "lost"]));
      expect(sshd.connections().length).toBeLessThanOrEqual(2);
      link.close();
      await until("all to be given back", () => held() <= before);
      await until("its connection to end", () => sshd.connections().length === 0);
    } finally {
      await sshd.close();
    }
  }, 60_000);
});

/** Sockets, timers and child processes that this process holds. */
function held(): number {
  const counted = new Set(["TCPSocketWrap", "PipeWrap", "ProcessWrap", "Timeout", "TCPServerWrap"]);
  return process.getActiveResourcesInfo().filter((kind) => counted.has(kind)).length;
}

describe("the wait before an attempt to reconnect", () => {
  const waits = (delay: ReconnectDelay, outages: readonly number[]) =>
    outages.map((outage) => delay.next(outage));
  const settings = {
    reconnectFirstMs: 500,
    reconnectMostMs: 4_000,
    reconnectEagerMs: 600_000,
    reconnectLaterMs: 60_000,
  };

  it("doubles from 0.5 s to 4 s for ten minutes, then to 60 s, and begins anew", () => {
    const delay = new ReconnectDelay(settings, () => 0.5);
    expect(waits(delay, [0, 1, 2, 3, 4, 599_999])).toEqual([500, 1_000, 2_000, 4_000, 4_000, 4_000]);
    expect(waits(delay, Array(6).fill(600_000))).toEqual([8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    delay.reset();
    expect(delay.next(0)).toBe(500);
  });

  it("differs by up to a fifth, so that not all come at once", () => {
    expect(new ReconnectDelay(settings, () => 0).next(0)).toBe(400);
    expect(new ReconnectDelay(settings, () => 1).next(0)).toBe(600);
  });
});

describe("the user's ssh files", () => {
  it("are noticed when one of them changes, comes or goes, once", async () => {
    const directory = mkdtempSync(join(tmpdir(), "agtmux-sshfiles-"));
    const file = join(directory, "known_hosts");
    let changes = 0;
    const watch = watchSshFiles([directory, join(directory, "agent")], () => changes++, 10);
    // The first look learns what is there.
    await until("a change to be noticed", () => {
      writeFileSync(file, `${performance.now()}`);
      return changes > 0;
    });
    expect(changes).toBe(1);
    watch.close();
    rmSync(directory, { recursive: true });
  });
});
