import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, getOption } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorCode, ErrorCodeSchema, ErrorDetailSchema } from "../../gen/agtmux/v1/common_pb.js";
import { DaemonService } from "../../gen/agtmux/v1/daemon_pb.js";
import { error_mapping } from "../../gen/agtmux/v1/options_pb.js";
import { ListPanesResponseSchema, StateService } from "../../gen/agtmux/v1/state_pb.js";
import { runCli } from "../../src/client/cli/run.js";
import { toAgtmuxError } from "../../src/client/errors.js";
import { exitStatusOf } from "../../src/client/exit-status.js";
import { connect } from "../../src/client/index.js";
import { socketCandidates, stateDirectory } from "../../src/client/paths.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { fakeIo } from "./support/fake-io.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "agtmux-paths-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function run(line: string, env: Record<string, string>) {
  const io = fakeIo({ env });
  const status = await runCli(line.split(" "), io);
  return { status, out: io.stdout.text(), err: io.stderr.text() };
}

describe("finding the socket", () => {
  it("uses AGTMUX_SOCKET alone when it is set", () => {
    writeFileSync(join(directory, "socket"), "/run/other.sock\n");
    expect(socketCandidates({ AGTMUX_SOCKET: "/a/b.sock", AGTMUX_STATE_DIR: directory })).toEqual([
      "/a/b.sock",
    ]);
  });

  it("else tries the one that the daemon recorded, then the default", () => {
    writeFileSync(join(directory, "socket"), "/run/other.sock\n");
    expect(socketCandidates({ AGTMUX_STATE_DIR: directory, XDG_RUNTIME_DIR: "/run/user/5" })).toEqual([
      "/run/other.sock",
      "/run/user/5/agtmux/agtmuxd.sock",
    ]);
  });

  it("falls back to the state directory without XDG_RUNTIME_DIR", () => {
    expect(socketCandidates({ AGTMUX_STATE_DIR: directory })).toEqual([join(directory, "agtmuxd.sock")]);
    expect(stateDirectory({ HOME: "/home/u" })).toBe("/home/u/.local/state/agtmux");
    expect(stateDirectory({ HOME: "/home/u", XDG_STATE_HOME: "/s" })).toBe("/s/agtmux");
  });

  it("ignores a recorded socket that cannot be one", () => {
    for (const text of ["", "relative.sock", "/a\n/b", `/${"x".repeat(103)}`]) {
      writeFileSync(join(directory, "socket"), text);
      expect(socketCandidates({ AGTMUX_STATE_DIR: directory })).toEqual([join(directory, "agtmuxd.sock")]);
    }
  });

  it("takes a path of 103 bytes and refuses one of 104, saying what to set", async () => {
    const longest = `/${"é".repeat(51)}`;
    expect(Buffer.byteLength(longest)).toBe(103);
    expect(socketCandidates({ AGTMUX_SOCKET: longest })).toEqual([longest]);
    const { status, err } = await run("list panes", { AGTMUX_SOCKET: `${longest}x` });
    expect(status).toBe(2);
    expect(err).toContain("has 104 bytes, at most 103 work: set AGTMUX_SOCKET to a shorter one");
  });

  it("refuses relative paths", async () => {
    expect((await run("list panes", { AGTMUX_SOCKET: "d.sock" })).err).toContain("must be an absolute path");
    expect((await run("list panes", { AGTMUX_STATE_DIR: "state" })).err).toContain(
      "must be an absolute path",
    );
  });
});

describe("a daemon that cannot be reached", () => {
  const status = (socket: string) => run("daemon status --json", { AGTMUX_SOCKET: socket });

  async function expectCause(socket: string, cause: string, says: string): Promise<void> {
    const result = await status(socket);
    expect(result.status).toBe(3);
    const { error } = JSON.parse(result.err);
    expect(error).toMatchObject({ code: "E_DAEMON_UNAVAILABLE", details: { cause } });
    expect(error.message).toContain(says);
  }

  it("is not running: nothing at the path", async () => {
    await expectCause(join(directory, "d.sock"), "not_running", "start it: agtmux daemon start");
    await expectCause(join(directory, "gone", "d.sock"), "not_running", "start it: agtmux daemon start");
  });

  it("has left its socket behind", async () => {
    const socket = join(directory, "d.sock");
    const server = await leftBehind(socket);
    await expectCause(socket, "stale_socket", "is gone; start it again: agtmux daemon start");
    server.close();
  });

  it("has a plain file in the place of its socket", async () => {
    const socket = join(directory, "d.sock");
    writeFileSync(socket, "");
    await expectCause(socket, "not_a_socket", "is not a socket; move it away");
  });

  it("has a link in the place of its socket", async () => {
    const socket = join(directory, "d.sock");
    symlinkSync("/run/elsewhere.sock", socket);
    await expectCause(socket, "not_a_socket", "is not a socket");
  });

  it("is in a directory that others may write: not a byte is sent", async () => {
    const open = join(directory, "open");
    mkdirSync(open);
    const socket = join(open, "d.sock");
    let connections = 0;
    const server = await listening(socket, () => {
      connections += 1;
    });
    chmodSync(open, 0o777);
    await expectCause(socket, "unsafe_mode", `may be written by others (mode 0777): not connecting`);
    expect(connections).toBe(0);
    server.close();
  });

  it("has a socket that others may write: not a byte is sent", async () => {
    const socket = join(directory, "d.sock");
    const server = await listening(socket, () => undefined, 0o666);
    await expectCause(socket, "unsafe_mode", "chmod go-w");
    server.close();
  });

  it.skipIf(process.getuid?.() !== 0)("belongs to someone else: not a byte is sent", async () => {
    const { chownSync } = await import("node:fs");
    const socket = join(directory, "d.sock");
    const server = await listening(socket, () => undefined);
    chownSync(socket, 12_345, 12_345);
    await expectCause(socket, "wrong_owner", "belongs to user 12345, not to you (0)");
    server.close();
  });

  it("cuts the connection in the middle of an answer", async () => {
    const socket = join(directory, "d.sock");
    const server = await listening(socket, (connection) => connection.destroy());
    await expectCause(socket, "connection_lost", "the daemon ended the connection");
    server.close();
  });

  it("speaks something else than HTTP", async () => {
    const socket = join(directory, "d.sock");
    const server = await listening(socket, (connection) => connection.end("SSH-2.0-OpenSSH\r\n"));
    await expectCause(socket, "connection_lost", "cannot talk to the daemon");
    server.close();
  });
});

async function listening(
  socket: string,
  onConnection: (connection: import("node:net").Socket) => void,
  mode = 0o600,
): Promise<Server> {
  const server = createServer((connection) => {
    connection.on("error", () => connection.destroy());
    connection.once("data", () => onConnection(connection));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  chmodSync(socket, mode);
  return server;
}

/** A socket whose listener is gone, as kill -9 leaves it: renamed away from a server, which then closes. */
async function leftBehind(socket: string): Promise<Server> {
  const { renameSync } = await import("node:fs");
  const other = `${socket}.tmp`;
  const server = await listening(other, () => undefined);
  renameSync(other, socket);
  await new Promise((resolve) => server.close(resolve));
  return server;
}

describe("calls", () => {
  let daemon: DaemonDouble;
  beforeEach(() => {
    daemon = new DaemonDouble();
  });
  afterEach(() => daemon.remove());

  it("find the daemon through the recorded socket, and past a stale one through the default", async () => {
    await daemon.listen((router) =>
      router.service(StateService, {
        listPanes: () => create(ListPanesResponseSchema, { schemaVersion: 1 }),
      }),
    );
    writeFileSync(join(directory, "socket"), daemon.socket);
    const recorded = connect({ env: { AGTMUX_STATE_DIR: directory } });
    expect((await recorded.state.listPanes({})).schemaVersion).toBe(1);

    mkdirSync(join(directory, "agtmux"));
    symlinkSync(daemon.directory, join(directory, "agtmux", "real"));
    writeFileSync(join(directory, "socket"), join(directory, "gone.sock"));
    const env = { AGTMUX_STATE_DIR: directory, XDG_RUNTIME_DIR: directory };
    rmSync(join(directory, "agtmux"), { recursive: true });
    symlinkSync(daemon.directory, join(directory, "agtmux"));
    const { renameSync } = await import("node:fs");
    renameSync(daemon.socket, join(daemon.directory, "agtmuxd.sock"));
    expect((await connect({ env }).state.listPanes({})).schemaVersion).toBe(1);
  });

  it("carry the daemon's error with its code, message, facts and whether to retry", async () => {
    await daemon.listen((router) =>
      router.service(StateService, {
        explainPane: () => {
          const detail = {
            code: ErrorCode.E_RUNTIME_STALE,
            message: "the runtime has ended",
            details: { runtime_id: "ab" },
            retryable: true,
          };
          throw new ConnectError("x", Code.FailedPrecondition, undefined, [
            { desc: ErrorDetailSchema, value: detail },
          ]);
        },
      }),
    );
    const env = { AGTMUX_SOCKET: daemon.socket };
    const human = await run("explain runtime:ab", env);
    expect(human).toEqual({ status: 5, out: "", err: "agtmux: the runtime has ended (E_RUNTIME_STALE)\n" });
    const json = await run("explain runtime:ab --json", env);
    expect(JSON.parse(json.err)).toEqual({
      schema_version: 1,
      error: {
        code: "E_RUNTIME_STALE",
        message: "the runtime has ended",
        details: { runtime_id: "ab" },
        retryable: true,
      },
    });
  });

  it("to a method that the daemon does not serve end with E_UNIMPLEMENTED and 1", async () => {
    await daemon.listen((router) => router.service(DaemonService, {}));
    const { status, err } = await run("daemon status", { AGTMUX_SOCKET: daemon.socket });
    expect(status).toBe(1);
    expect(err).toContain("E_UNIMPLEMENTED");
  });

  it("end at their deadline with E_TIMEOUT", async () => {
    await daemon.listen((router) =>
      router.service(StateService, {
        listPanes: (_request, context) =>
          new Promise((_resolve, reject) => {
            context.signal.addEventListener("abort", () => reject(new ConnectError("gone", Code.Canceled)));
          }),
      }),
    );
    const call = connect({ socket: daemon.socket }).state.listPanes({}, { timeoutMs: 30 });
    expect(toAgtmuxError(await call.catch((thrown: unknown) => thrown)).code).toBe(ErrorCode.E_TIMEOUT);
  });

  it("end when the user interrupts, without an error message", async () => {
    let asked: () => void = () => undefined;
    const called = new Promise<void>((resolve) => {
      asked = resolve;
    });
    await daemon.listen((router) =>
      router.service(StateService, {
        listPanes: (_request, context) =>
          new Promise((_resolve, reject) => {
            asked();
            context.signal.addEventListener("abort", () => reject(new ConnectError("gone", Code.Canceled)));
          }),
      }),
    );
    const io = fakeIo({ env: { AGTMUX_SOCKET: daemon.socket } });
    const ended = runCli(["list", "panes"], io);
    await called;
    io.interrupt();
    expect(await ended).toBe(130);
    expect(io.stderr.text()).toBe("");
  });

  it("say once that the running daemon is older than this program", async () => {
    await daemon.listen(
      (router) =>
        router.service(StateService, {
          listPanes: () => create(ListPanesResponseSchema, { schemaVersion: 1 }),
        }),
      { "agtmux-version": "0.0.9" },
    );
    const { status, err } = await run("list panes --json", { AGTMUX_SOCKET: daemon.socket });
    expect(status).toBe(0);
    expect(err).toBe(
      "the running daemon is older (0.0.9) than this program (0.1.0): agtmux daemon restart\n",
    );
  });
});

describe("exit statuses", () => {
  it("are, for every error code, what the contract's table says", () => {
    for (const value of ErrorCodeSchema.values) {
      const { exitStatus } = getOption(value, error_mapping);
      expect(exitStatusOf(value.number), value.name).toBe(value.number === 0 ? 1 : exitStatus);
    }
  });

  it("count a code of a newer daemon as internal", () => {
    // A value that no enum of today has, as an open enum of proto3 may carry.
    const unknown: number = 999;
    expect(exitStatusOf(unknown)).toBe(1);
  });

  it("are what scripts look for", () => {
    const expected: readonly [ErrorCode, number][] = [
      [ErrorCode.E_INVALID_ARGUMENT, 2],
      [ErrorCode.E_DAEMON_UNAVAILABLE, 3],
      [ErrorCode.E_REF_NOT_FOUND, 4],
      [ErrorCode.E_CONFIRMATION_REQUIRED, 5],
      [ErrorCode.E_RUNTIME_STALE, 5],
      [ErrorCode.E_TARGET_UNREACHABLE, 6],
      [ErrorCode.E_TIMEOUT, 7],
      [ErrorCode.E_CURSOR_EXPIRED, 8],
      [ErrorCode.E_INTERNAL, 1],
    ];
    for (const [code, status] of expected) expect(exitStatusOf(code), ErrorCode[code]).toBe(status);
  });
});

describe("the program", () => {
  it("imports nothing before it has looked at the version of Node", () => {
    const source = readFileSync(join(import.meta.dirname, "../../src/client/cli/main.ts"), "utf8");
    expect(source).not.toMatch(/^import /m);
  });
});
