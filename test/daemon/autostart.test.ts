import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../../src/client/index.js";

const CLI = join(import.meta.dirname, "..", "..", process.env["AGTMUX_TEST_DIST"] ?? "dist", "agtmux.mjs");
const AT_ONCE = 50;

describe("agtmux without a daemon", () => {
  let root: string;
  let env: NodeJS.ProcessEnv;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "agtmux-autostart-"));
    env = { PATH: process.env["PATH"], HOME: root, AGTMUX_STATE_DIR: join(root, "state"), TMUX_TMPDIR: root };
  });

  afterEach(async () => {
    await run("daemon", "stop");
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });

  const run = async (...words: string[]): Promise<{ stdout: string; stderr: string; status: number }> => {
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...words], { env });
      return { stdout, stderr, status: 0 };
    } catch (error) {
      // Sound: execFile's promise rejects with these, for a program that ran.
      const { stdout, stderr, code } = error as { stdout: string; stderr: string; code: number };
      return { stdout, stderr, status: code };
    }
  };

  it("starts one daemon, however many are started at once", async () => {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => run("list", "panes", "--json")));
    expect(answers.filter(({ status }) => status !== 0).map(({ stderr }) => stderr)).toEqual([]);
    const health = await connect({ socket: join(root, "state", "agtmuxd.sock") }).daemon.getHealth({});
    expect(Number(health.pid)).toBe(Number(readFileSync(join(root, "state", "pid"), "utf8")));
    const log = readFileSync(join(root, "state", "log", "agtmuxd.1.log"), "utf8");
    expect(log.match(/"msg":"serving"/gu)?.length, "daemons that ever served").toBe(1);
  }, 60_000);

  it("lists panes on a running daemon at a small multiple of what Node itself takes (printed)", async () => {
    await run("daemon", "start");
    const timed = (words: string[]): number => {
      const from = performance.now();
      const { status } = spawnSync(process.execPath, words, { env, stdio: "ignore" });
      expect(status).toBe(0);
      return performance.now() - from;
    };
    // In pairs, so that both meet the same load.
    const ratios = Array.from({ length: 15 }, () => timed([CLI, "list", "panes"]) / timed(["-e", "0"]));
    const median = ratios.sort((a, b) => a - b)[7] ?? Number.NaN;
    console.info(`agtmux list panes takes ${median.toFixed(2)} times what node -e 0 takes (budget 2.5)`);
  });

  it("starts none when told not to, and says what to do with exit status 3", async () => {
    const { stderr, status } = await run("list", "panes", "--no-start");
    expect(status).toBe(3);
    expect(stderr).toMatch(
      /^agtmux: no agtmux daemon is running .*agtmux daemon start \(E_DAEMON_UNAVAILABLE\)\n$/u,
    );
  });

  it("says in one line why a daemon cannot start", async () => {
    env = { ...env, AGTMUX_SOCKET: join(root, "x".repeat(110)) };
    const { stderr, status } = await run("list", "panes");
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/at most 103/u);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
