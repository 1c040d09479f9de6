import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { AppServerConnection } from "../../../src/server/adapters/codex/app-server-connection.js";
import { ExecutorError } from "../../../src/server/targets/executor.js";
import { CommandChannel, type HostShell } from "../../../src/server/targets/shell/command-channel.js";
import type { SshConnection } from "../../../src/server/targets/ssh/connection.js";
import {
  createRemoteAgentFiles,
  type RemoteAgentFiles,
} from "../../../src/server/targets/ssh/remote-agent-files.js";
import { RemoteHost } from "../../../src/server/targets/ssh/remote-host.js";
import { remoteShells } from "../../../src/server/targets/ssh/remote-shells.js";
import { until } from "../../tmux/private-server.js";
import { LoginShells, SHELLS } from "../shell/login-shells.js";
import { LoopbackSshd } from "./loopback-sshd.js";

const now = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1_000);
const noDial = (): Promise<never> => Promise.reject(new Error("not used"));

describe.each(SHELLS)("the agents' files of a host with %s", (sh) => {
  let directory: string;
  let shells: LoginShells;
  let channel: CommandChannel;
  let asked: string[];
  let files: RemoteAgentFiles;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "agtmux-files-"));
    shells = new LoginShells(sh);
    channel = new CommandChannel(remoteShells(shells));
    asked = [];
    const shell: HostShell = {
      run: (script, options) => {
        asked.push(String(script));
        return channel.run(script, options);
      },
    };
    files = createRemoteAgentFiles(new RemoteHost(() => shell, now), noDial);
  });
  afterEach(() => {
    files.close();
    channel.close(new ExecutorError("failed", "the test is over"));
    shells.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const text = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? undefined : Buffer.from(bytes).toString("latin1");

  it("are read byte by byte, from the beginning or the end, and no more than asked for", async () => {
    const path = join(directory, "it's é\n$(x).json");
    writeFileSync(path, Buffer.from("a\0\xff\nend\n", "latin1"));
    expect(text(await files.readFile(path, 100))).toBe("a\0\xff\nend\n");
    expect(text(await files.readFile(path, 2))).toBe("a\0");
    expect(text(await files.readTail(path, 4))).toBe("end\n");
    expect(text(await files.readFile(join(directory, "none"), 10))).toBeUndefined();
    expect(text(await files.readFile(join(directory, "none", "deeper"), 10))).toBeUndefined();
  });

  it("that are no regular files are refused, and hold nobody up", async () => {
    execFileSync("mkfifo", [join(directory, "fifo")]);
    await expect(files.readFile(join(directory, "fifo"), 10)).rejects.toThrow(/not a regular file/u);
    await expect(files.readFile(directory, 10)).rejects.toThrow(/not a regular file/u);
    await expect(files.readFile("relative", 10)).rejects.toThrow(/absolute/u);
  });

  it("asked for together are one round trip", async () => {
    for (let index = 0; index < 20; index++) writeFileSync(join(directory, `${index}`), `text ${index}`);
    await files.home();
    const before = asked.length;
    const read = await Promise.all(
      Array.from({ length: 20 }, (_, index) => files.readFile(join(directory, `${index}`), 100)),
    );
    expect(read.map(text)).toEqual(Array.from({ length: 20 }, (_, index) => `text ${index}`));
    expect(asked.length - before).toBe(1);
  });

  it("include the named variables of a process, and no other ever leaves the host", async () => {
    const env = {
      HOME: "/home/of it's",
      CODEX_HOME: "two\nlines",
      SECRET: "hunter2",
      XHOME: "no",
      PATH: "/bin",
    };
    const child = spawn("sleep", ["600"], { env });
    try {
      await until("the process", () => child.pid);
      const pid = child.pid ?? 0;
      const found = await until("its environment", async () => {
        const read = await files.environment(pid, ["HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR"]);
        return read?.["HOME"] === env.HOME ? read : undefined;
      });
      expect(found).toEqual({ HOME: env.HOME, CODEX_HOME: env.CODEX_HOME });
      expect(await files.environment(4_194_305, ["HOME"])).toBeUndefined();
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("are at the host's own home", async () => {
    expect(await files.home()).toMatch(/^\/.*agtmux-shells-/u);
  });

  it("are watched: a directory that comes, files that come, change, are replaced and go", async () => {
    const watched = join(directory, "it's here");
    const seen: string[] = [];
    const watcher = files.watchDirectory(watched, (name) => seen.push(name));
    const untilSeen = async (name: string, act: () => void) => {
      seen.length = 0;
      act();
      await until(`${name} to be seen`, () => seen.includes(name));
    };
    await untilSeen("1.json", () => {
      mkdirSync(watched);
      writeFileSync(join(watched, "1.json"), "busy");
    });
    // As long as before, and within the same second.
    await untilSeen("1.json", () => writeFileSync(join(watched, "1.json"), "idle"));
    await untilSeen("é $(x).json", () => writeFileSync(join(watched, "é $(x).json"), ""));
    await untilSeen("1.json", () => {
      writeFileSync(join(directory, "other"), "next");
      renameSync(join(directory, "other"), join(watched, "1.json"));
    });
    await untilSeen("1.json", () => rmSync(join(watched, "1.json")));
    await untilSeen("é $(x).json", () => rmSync(watched, { recursive: true }));
    watcher.close();
  });

  it("are watched in all directories by one question a look", async () => {
    const names = ["a", "b", "c"];
    const seen: string[] = [];
    for (const name of names) {
      mkdirSync(join(directory, name));
      files.watchDirectory(join(directory, name), (entry) => seen.push(`${name}/${entry}`));
    }
    await until("a look at all", () =>
      asked.some((script) => names.every((name) => script.includes(join(directory, name)))),
    );
    for (const name of names) writeFileSync(join(directory, name, "f"), name);
    await until("all", () => names.every((name) => seen.includes(`${name}/f`)));
    appendFileSync(join(directory, "b", "f"), "more");
    await until("the one", () => seen.filter((entry) => entry === "b/f").length > 1);
  });

  it("include the loopback ports that a process listens on", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    expect(await files.loopbackPorts(process.pid)).toContain(port);
    expect(await files.loopbackPorts(4_194_305)).toEqual([]);
    server.close();
  });
});

describe("the agents' files of a host", () => {
  it.runIf(process.getuid?.() !== 0)("that may not be read are no missing files", async () => {
    const directory = mkdtempSync(join(tmpdir(), "agtmux-files-"));
    const shells = new LoginShells();
    const channel = new CommandChannel(remoteShells(shells));
    const files = createRemoteAgentFiles(new RemoteHost(() => channel, now), noDial);
    writeFileSync(join(directory, "secret"), "");
    chmodSync(join(directory, "secret"), 0);
    await expect(files.readFile(join(directory, "secret"), 10)).rejects.toThrow(/may not be read/u);
    files.close();
    channel.close(new ExecutorError("failed", "over"));
    shells.close();
  });

  it("reject while there is no connection", async () => {
    const lost = new ExecutorError("unreachable", "no connection");
    const files = createRemoteAgentFiles(
      new RemoteHost(() => {
        throw lost;
      }, now),
      noDial,
    );
    await expect(files.readFile("/x", 10)).rejects.toBe(lost);
    await expect(files.home()).rejects.toBe(lost);
    files.close();
  });
});

describe("the sockets of a host", () => {
  let sshd: LoopbackSshd;
  let connection: SshConnection;
  let files: RemoteAgentFiles;
  let directory: string;
  beforeAll(async () => {
    sshd = await LoopbackSshd.start();
    connection = await sshd.open();
    const channel = new CommandChannel(remoteShells(connection));
    files = createRemoteAgentFiles(new RemoteHost(() => channel, now), (path) => connection.forwardOut(path));
    directory = mkdtempSync(join(tmpdir(), "agtmux-sockets-"));
  });
  afterAll(async () => {
    files?.close();
    connection?.close();
    await sshd?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("carry the app-server's language there and back", async () => {
    const path = join(directory, "it's.sock");
    const http = createHttpServer();
    const server = new WebSocketServer({ server: http });
    server.on("connection", (socket) => {
      socket.on("message", (data) => {
        const { id, method } = JSON.parse(String(data));
        socket.send(JSON.stringify({ method: "hello", params: { text: "x".repeat(200_000) } }));
        socket.send(JSON.stringify({ id, result: { asked: method } }));
      });
    });
    await new Promise<void>((resolve) => http.listen(path, resolve));
    const notified: string[] = [];
    const closed: string[] = [];
    const opened = await AppServerConnection.open(() => files.dial(path), {
      onNotification: (method) => notified.push(method),
      onClosed: (error) => closed.push(error.failure),
    });
    expect(await opened.call("initialize", {})).toEqual({ asked: "initialize" });
    expect(notified).toEqual(["hello"]);
    for (const client of server.clients) client.terminate();
    await until("the end", () => closed.length > 0);
    expect(closed).toEqual(["closed"]);
    http.close();
  });

  it("that are not there, lead nowhere or are no sockets are told apart", async () => {
    const none = files.dial(join(directory, "none"));
    await expect(none).rejects.toMatchObject({ absent: true });
    writeFileSync(join(directory, "file"), "");
    await expect(files.dial(join(directory, "file"))).rejects.toMatchObject({ absent: false });
    // A socket that its server left behind.
    const path = join(directory, "left.sock");
    const leave = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
    spawnSync(process.execPath, ["-e", leave], { stdio: "ignore", timeout: 5_000 });
    await expect(files.dial(path)).rejects.toMatchObject({ absent: false });
    await expect(files.dial("relative")).rejects.toMatchObject({ absent: false });
  });
});
