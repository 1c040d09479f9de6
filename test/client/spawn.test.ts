import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../src/client/cli/run.js";
import { startDaemon } from "../../src/client/spawn.js";
import { eventually, fakeIo } from "./support/fake-io.js";

/**
 * A stand-in for agtmuxd: takes a lock (a directory; the loser exits with 0), notes its pid, waits a moment as a
 * real start does, and serves an empty answer to everything.
 */
const STAND_IN = `
import { chmodSync, mkdirSync, appendFileSync } from "node:fs";
import { createServer } from "node:http";
const home = process.env.AGTMUX_STATE_DIR;
appendFileSync(home + "/seen", process.pid + "\\n");
try { mkdirSync(home + "/lock"); } catch { process.exit(0); }
appendFileSync(home + "/pids", process.pid + "\\n");
appendFileSync(home + "/cwd", process.cwd());
await new Promise((resolve) => setTimeout(resolve, 150));
process.umask(0o077);
createServer((request, response) => {
  response.setHeader("content-type", "application/proto");
  response.end();
}).listen(process.env.AGTMUX_SOCKET);
`;

let directory: string;
let env: Record<string, string>;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "agtmux-spawn-"));
  env = {
    AGTMUX_STATE_DIR: directory,
    AGTMUX_SOCKET: join(directory, "d.sock"),
    PATH: process.env["PATH"] ?? "",
  };
});

function pidsIn(name: string): number[] {
  try {
    return readFileSync(join(directory, name), "utf8").trim().split("\n").map(Number);
  } catch {
    // No stand-in has got so far.
    return [];
  }
}

/** Those that took the lock. */
const pids = () => pidsIn("pids");

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // ESRCH: it has ended.
    return false;
  }
}

afterEach(() => {
  for (const pid of pids()) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
});

function program(text: string): string {
  const path = join(directory, "agtmuxd.mjs");
  writeFileSync(path, text);
  return path;
}

describe("starting the daemon on demand", () => {
  it("starts one, apart from the terminal and from the working directory, and waits until it answers", async () => {
    const daemonPath = program(STAND_IN);
    const io = fakeIo({ env: { ...env, AGTMUX_NO_START: "" }, daemonPath });
    expect(await runCli(["list", "panes", "--json"], io)).toBe(0);
    expect(pids()).toHaveLength(1);
    expect(readFileSync(join(directory, "cwd"), "utf8")).toBe("/");
  });

  it("ends in one daemon when twenty start at once, and all of them go on", async () => {
    const daemonPath = program(STAND_IN);
    await Promise.all(Array.from({ length: 20 }, () => startDaemon({ env, daemonPath })));
    // The last losers may still be starting; they must have looked before the lock goes.
    await eventually(() => pidsIn("seen").length === 20, 30_000);
    await eventually(() => pidsIn("seen").filter(isAlive).length === 1, 10_000);
    expect(pids()).toHaveLength(1);
  }, 60_000);

  it("shows the daemon's own line when it cannot start", async () => {
    const daemonPath = program(`
      process.stderr.write("agtmuxd: \\u001b[31mthe directory /x may be written by others\\nmore\\n");
      process.exit(3);
    `);
    const io = fakeIo({ env: { ...env, AGTMUX_NO_START: "" }, daemonPath });
    expect(await runCli(["list", "panes"], io)).toBe(3);
    expect(io.stderr.text()).toBe(
      "agtmux: agtmuxd: the directory /x may be written by others (E_DAEMON_UNAVAILABLE)\n",
    );
  });

  it("says how it ended when it dies without a word", async () => {
    const daemonPath = program("process.kill(process.pid, 'SIGKILL');");
    await expect(startDaemon({ env, daemonPath })).rejects.toThrow(
      "the daemon did not start: it was ended by SIGKILL",
    );
  });

  it("gives up at its deadline", async () => {
    const daemonPath = program(
      STAND_IN.replace(/createServer[^;]*;\s*[^;]*;\s*}\)[^;]*;/, "setInterval(() => {}, 1000);"),
    );
    const starting = startDaemon({ env, daemonPath, deadlineMs: 600 });
    await expect(starting).rejects.toThrow("no answer within 0.6 s");
    await eventually(() => pids().length === 1);
  });

  for (const [name, line, more] of [
    ["--no-start", "list panes --no-start", {}],
    ["AGTMUX_NO_START", "list panes", { AGTMUX_NO_START: "1" }],
    ["daemon status", "daemon status", {}],
  ] as const) {
    it(`does not happen with ${name}`, async () => {
      const daemonPath = program(STAND_IN);
      const io = fakeIo({ env: { ...env, AGTMUX_NO_START: "", ...more }, daemonPath });
      expect(await runCli(line.split(" "), io)).toBe(3);
      expect(io.stderr.text()).toContain("no agtmux daemon is running");
      expect(pids()).toEqual([]);
    });
  }

  it("stopping a daemon that does not run is no error", async () => {
    const io = fakeIo({ env });
    expect(await runCli(["daemon", "stop"], io)).toBe(0);
    expect(io.stdout.text()).toBe("no daemon was running\n");
  });
});
