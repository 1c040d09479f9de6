import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect, WatchType } from "../../src/client/index.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { Watcher } from "./support/watcher.js";

let root: string;
let daemons: TestDaemon[];

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "agtmux-life-")));
  daemons = [];
});
afterEach(async () => {
  for (const daemon of daemons) await daemon.close();
  rmSync(root, { recursive: true, force: true, maxRetries: 5 });
});

const start = async (options: Omit<Parameters<typeof TestDaemon.start>[0] & object, "stateDir"> = {}) => {
  const daemon = await TestDaemon.start({ ...options, stateDir: root });
  daemons.push(daemon);
  return daemon;
};
const state = (...names: string[]): string => join(root, "state", ...names);
const mode = (path: string): number => lstatSync(path).mode & 0o777;
const connects = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connectSocket(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });

describe("one daemon per state directory", () => {
  it("TC-070 of twenty that start at once exactly one serves; the others say so and exit 0", async () => {
    const all = Array.from({ length: 20 }, () => {
      const { child } = TestDaemon.spawn(root);
      const said = { text: "" };
      child.stderr?.on("data", (chunk: Buffer) => {
        said.text += chunk.toString();
      });
      return { child, said };
    });
    try {
      await eventually(
        "nineteen to be gone",
        () => all.filter(({ child }) => child.exitCode !== null).length === 19,
        30_000,
      );
      const server = all.find(({ child }) => child.exitCode === null);
      for (const { child, said } of all) {
        if (child === server?.child) continue;
        expect(child.exitCode, said.text).toBe(0);
        expect(said.text).toMatch(/^agtmuxd: agtmuxd is already running \(pid (\d+|unknown)\)\n$/u);
      }
      const client = connect({ socket: state("agtmuxd.sock") });
      const health = await eventually("it serves", () => client.daemon.getHealth({}).catch(() => undefined));
      expect(health.pid).toBe(BigInt(server?.child.pid ?? 0));
      expect(readFileSync(state("pid"), "utf8")).toBe(`${server?.child.pid}\n`);
    } finally {
      for (const { child } of all) if (child.exitCode === null) child.kill("SIGKILL");
      await eventually("all gone", () =>
        all.every(({ child }) => child.exitCode !== null || child.signalCode !== null),
      );
    }
  });

  it("TC-070 after kill -9 the next one serves at once, over the stale sockets", async () => {
    const first = await start();
    await first.end("SIGKILL");
    const stale = lstatSync(state("agtmuxd.sock")).ino;
    expect(await connects(state("agtmuxd.sock"))).toBe(false);
    const began = performance.now();
    const second = await start();
    console.log(`kill -9 to serving again: ${Math.round(performance.now() - began)} ms`);
    expect(lstatSync(state("agtmuxd.sock")).ino).not.toBe(stale);
    expect(readdirSync(state("ingest.d"))).toHaveLength(1);
    expect((await second.client.daemon.getHealth({})).pid).toBe(BigInt(second.child.pid ?? 0));
  });

  it("TC-070 an old daemon that still drains never takes its successor's socket away", async () => {
    const old = await start();
    // A request without its end keeps the old one draining.
    const open = connectSocket(old.socketPath);
    await new Promise((resolve) => open.once("connect", resolve));
    open.write(
      "POST /agtmux.v1.StateService/ListPanes HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    await old.client.daemon.getHealth({});
    old.child.kill("SIGTERM");
    await eventually("the old one no longer accepts", async () =>
      (await connects(old.socketPath)) ? undefined : true,
    );
    const refused = await TestDaemon.run(root);
    expect(refused).toEqual({
      status: 0,
      stderr: `agtmuxd: agtmuxd is already running (pid ${old.child.pid})\n`,
    });
    open.destroy();
    await eventually("the old one is gone", () => old.child.exitCode !== null);
    const next = await start();
    expect(existsSync(next.socketPath)).toBe(true);
    expect((await next.client.daemon.getHealth({})).pid).toBe(BigInt(next.child.pid ?? 0));
  });

  it("TC-070 a live socket of another state directory is not taken over", async () => {
    const run = join(root, "run");
    const socketPath = join(run, "agtmux", "agtmuxd.sock");
    const env = { XDG_RUNTIME_DIR: run };
    const first = await start({ env, socketPath });
    const other = await TestDaemon.run(join(root, "other"), { ...env, HOME: root });
    expect(other.status).toBe(3);
    expect(other.stderr).toBe(
      `agtmuxd: another daemon, of another state directory, serves at ${socketPath}: stop it, or set AGTMUX_SOCKET to another path\n`,
    );
    expect((await first.client.daemon.getHealth({})).pid).toBe(BigInt(first.child.pid ?? 0));
  });
});

describe("where it serves", () => {
  it("TC-070 makes directories 0700 and files 0600, and names its socket in the state directory", async () => {
    const daemon = await start();
    for (const folder of [state(), state("ingest.d"), state("spool.d"), state("log")])
      expect(mode(folder)).toBe(0o700);
    const ingest = readdirSync(state("ingest.d")).map((name) => state("ingest.d", name));
    for (const file of [daemon.socketPath, ...ingest, state("agtmux.db"), state("socket"), state("pid")]) {
      expect(mode(file).toString(8), file).toBe("600");
    }
    for (const name of readdirSync(state("log"))) expect(mode(state("log", name))).toBe(0o600);
    expect(readFileSync(state("socket"), "utf8")).toBe(`${daemon.socketPath}\n`);
    expect(readdirSync(state()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it.each([
    ["AGTMUX_SOCKET", (at: string) => ({ AGTMUX_SOCKET: join(at, "own", "s") }), ["own", "s"]],
    [
      "XDG_RUNTIME_DIR",
      (at: string) => ({ XDG_RUNTIME_DIR: join(at, "run") }),
      ["run", "agtmux", "agtmuxd.sock"],
    ],
    [
      "XDG_STATE_HOME",
      (at: string) => ({ AGTMUX_STATE_DIR: undefined, XDG_STATE_HOME: join(at, "xdg") }),
      ["xdg", "agtmux", "agtmuxd.sock"],
    ],
    [
      "HOME",
      (at: string) => ({ AGTMUX_STATE_DIR: undefined, HOME: at }),
      [".local", "state", "agtmux", "agtmuxd.sock"],
    ],
  ] as const)("TC-070 %s decides the socket's place", async (_name, env, path) => {
    const socketPath = join(root, ...path);
    const daemon = await start({ env: env(root), socketPath });
    const health = await daemon.client.daemon.getHealth({});
    expect(health.socketPath).toBe(socketPath);
    expect(readFileSync(join(health.stateDir, "socket"), "utf8")).toBe(`${socketPath}\n`);
  });

  it("TC-070 serves at a path of exactly 103 bytes and refuses one of 104 with what to do", async () => {
    const folder = join(root, "d".repeat(103 - Buffer.byteLength(root) - 4));
    const socketPath = join(folder, "so");
    expect(Buffer.byteLength(socketPath)).toBe(103);
    const daemon = await start({ env: { AGTMUX_SOCKET: socketPath }, socketPath });
    expect((await daemon.client.daemon.getHealth({})).socketPath).toBe(socketPath);
    await daemon.end();
    const refused = await TestDaemon.run(root, { AGTMUX_SOCKET: `${socketPath}x` });
    expect(refused).toEqual({
      status: 3,
      stderr: `agtmuxd: the socket path has 104 bytes, at most 103 work: set AGTMUX_SOCKET to a shorter one (${socketPath}x)\n`,
    });
    const long = join(root, "s".repeat(80));
    const hooks = await TestDaemon.run(root, { AGTMUX_STATE_DIR: long, AGTMUX_SOCKET: join(root, "s") });
    expect(hooks.status).toBe(3);
    expect(hooks.stderr).toMatch(
      /^agtmuxd: the path of the hooks' socket has \d+ bytes, at most 103 work: set AGTMUX_STATE_DIR to a shorter one/u,
    );
  });

  it("TC-070 puts its socket back when somebody removes it, and goes on serving who was connected", async () => {
    const daemon = await start();
    const watcher = await Watcher.open(daemon.client);
    rmSync(daemon.socketPath);
    const began = performance.now();
    const health = await eventually(
      "it is found again",
      () => daemon.client.daemon.getHealth({}).catch(() => undefined),
      5_000,
    );
    console.log(`socket removed to found again: ${Math.round(performance.now() - began)} ms`);
    expect(health.pid).toBe(BigInt(daemon.child.pid ?? 0));
    expect(mode(daemon.socketPath)).toBe(0o600);
    expect(watcher.ended).toBeUndefined();
    const later = await Watcher.open(daemon.client);
    expect(await daemon.end()).toBe(0);
    for (const each of [watcher, later]) {
      await each.over();
      expect(each.last.resetReason).toBe("shutdown");
    }
    expect(existsSync(daemon.socketPath)).toBe(false);
  });

  it("TC-070 leaves alone what somebody put in its socket's place", async () => {
    const daemon = await start();
    rmSync(daemon.socketPath);
    writeFileSync(daemon.socketPath, "mine");
    expect(await daemon.end()).toBe(0);
    expect(readFileSync(daemon.socketPath, "utf8")).toBe("mine");
  });
});

describe("a place that is not safe is refused", () => {
  const refusal = async (env: Record<string, string> = {}): Promise<string> => {
    const { status, stderr } = await TestDaemon.run(root, env);
    expect(status, stderr).toBe(3);
    return stderr;
  };

  it("TC-070 a state directory that others may write", async () => {
    mkdirSync(state());
    chmodSync(state(), 0o777);
    expect(await refusal()).toBe(
      `agtmuxd: ${state()} may be written by others: check its contents, then run chmod 0700 '${state()}'\n`,
    );
    expect(readdirSync(state())).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)("TC-070 a state directory or a socket of another user", async () => {
    mkdirSync(state(), { mode: 0o700 });
    chownSync(state(), 65_534, 65_534);
    expect(await refusal()).toBe(
      `agtmuxd: ${state()} belongs to user 65534, not to you: set AGTMUX_STATE_DIR to another directory\n`,
    );
    chownSync(state(), 0, 0);
    const server = createServer().listen(state("agtmuxd.sock"));
    await new Promise((resolve) => server.once("listening", resolve));
    chownSync(state("agtmuxd.sock"), 65_534, 65_534);
    expect(await refusal()).toBe(
      `agtmuxd: ${state("agtmuxd.sock")} belongs to user 65534, not to you: set AGTMUX_SOCKET to another path\n`,
    );
    server.close();
  });

  it("TC-070 a symbolic link, wherever it leads, and what is no directory", async () => {
    mkdirSync(join(root, "elsewhere"), { mode: 0o700 });
    symlinkSync(join(root, "elsewhere"), state());
    const link = `agtmuxd: ${state()} is a symbolic link: remove it or set another directory\n`;
    expect(await refusal()).toBe(link);
    rmSync(state());
    symlinkSync(join(root, "nowhere"), state());
    expect(await refusal()).toBe(link);
    rmSync(state());
    writeFileSync(state(), "");
    expect(await refusal()).toBe(
      `agtmuxd: ${state()} is no directory: move it away or set another directory\n`,
    );
  });

  it("TC-070 a file, a directory or a link at the socket's path; nothing of it is touched", async () => {
    mkdirSync(state(), { mode: 0o700 });
    const line = `agtmuxd: ${state("agtmuxd.sock")} is no socket: move it away or set AGTMUX_SOCKET to another path\n`;
    writeFileSync(state("agtmuxd.sock"), "mine");
    expect(await refusal()).toBe(line);
    expect(readFileSync(state("agtmuxd.sock"), "utf8")).toBe("mine");
    rmSync(state("agtmuxd.sock"));
    mkdirSync(state("agtmuxd.sock"));
    expect(await refusal()).toBe(line);
    rmSync(state("agtmuxd.sock"), { recursive: true });
    symlinkSync(join(root, "target"), state("agtmuxd.sock"));
    expect(await refusal()).toBe(line);
  });

  it("TC-070 relative paths and options that it does not know, each with one line", async () => {
    expect(await refusal({ AGTMUX_SOCKET: "s" })).toBe(
      'agtmuxd: AGTMUX_SOCKET must be an absolute path, not "s"\n',
    );
  });
});

describe("an end", () => {
  it("TC-070 TC-086 SIGTERM ends streams with reset(shutdown) and exits 0 within 2 s, whatever is still open", async () => {
    const daemon = await start();
    const watchers = await Promise.all(Array.from({ length: 20 }, () => Watcher.open(daemon.client)));
    const session = http2.connect("http://localhost", {
      createConnection: () => connectSocket(daemon.socketPath),
    });
    await new Promise((resolve) => session.once("connect", resolve));
    const agent = new http.Agent({ keepAlive: true });
    await new Promise<void>((resolve, reject) => {
      const request = http.get({ socketPath: daemon.socketPath, path: "/v1/health", agent }, (response) => {
        response.resume().once("end", () => resolve());
      });
      request.once("error", reject);
    });
    const silent = connectSocket(daemon.socketPath);
    await new Promise((resolve) => silent.once("connect", resolve));
    silent.on("error", () => undefined);
    // A watcher whose client would use the connection again.
    const kept = connectSocket(daemon.socketPath);
    let heard = "";
    kept.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    kept.write(
      "POST /agtmux.v1.StateService/Watch HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/connect+json\r\ncontent-length: 7\r\n\r\n\0\0\0\0\x02{}",
    );
    await eventually("it to watch", () => heard.includes("SNAPSHOT"));
    const began = performance.now();
    expect(await daemon.end()).toBe(0);
    const took = performance.now() - began;
    for (const watcher of watchers) {
      await watcher.over();
      expect(watcher.ended).toBeNull();
      expect([watcher.last.type, watcher.last.resetReason]).toEqual([WatchType.RESET, "shutdown"]);
    }
    expect(heard).toContain('"resetReason":"shutdown"');
    expect(took).toBeLessThan(2_000);
    expect(existsSync(daemon.socketPath)).toBe(false);
    session.destroy();
    agent.destroy();
    silent.destroy();
  });

  it("TC-070 Shutdown answers, then ends it as SIGTERM does; an ingest in flight is answered", async () => {
    const daemon = await start();
    const answers = await Promise.all([
      daemon.client.ingest.ingestEvents({ events: [{ eventId: "not a uuid" }] }),
      daemon.client.daemon.shutdown({}),
    ]);
    expect(answers[0].results).toHaveLength(1);
    expect(answers[1].pid).toBe(BigInt(daemon.child.pid ?? 0));
    await eventually("it is gone", () => daemon.child.exitCode !== null);
    expect(daemon.child.exitCode).toBe(0);
  });
});
