import { describe, expect, it } from "vitest";
import { identifyCodex, isCodexHelper } from "../../../src/server/adapters/codex/process.js";
import type { Process } from "../../../src/server/adapters/contract.js";

const NATIVE = "/opt/node_modules/@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex";
const DAEMON = "/home/dev/.codex/packages/app-server-daemon/releases/0.169.0/bin/codex";

function process(pid: number, ppid: number, argv: readonly string[], comm = ""): Process {
  const name = argv[0]?.split("/").at(-1) ?? "";
  const place = { tty: 34816, pgid: 100, tpgid: 100, state: "S", startRaw: String(pid), exe: argv[0] ?? "" };
  return { ...place, pid, ppid, argv, comm: comm || name.slice(0, 15) };
}

const shell = process(10, 1, ["bash"]);
const launcher = process(100, 10, ["node", "/usr/lib/node_modules/.bin/codex"]);
const native = process(101, 100, [NATIVE]);
const identify = (...processes: Process[]) => identifyCodex({ panePid: 10, processes });

describe("a pane's Codex", () => {
  it("is the native program under its npm launcher", () => {
    expect(identify(shell, launcher, native)).toEqual({ outermost: launcher, worker: native });
  });

  it("has no worker while only the launcher is there", () => {
    expect(identify(shell, launcher)).toEqual({ outermost: launcher, worker: undefined });
  });

  it("is the native program alone where it was installed as such, or outlived its launcher", () => {
    const alone = process(101, 1, ["codex", "resume", "01a2"]);
    expect(identify(shell, alone)).toEqual({ outermost: alone, worker: alone });
  });

  it("is found behind options of node and in the package's own folder", () => {
    const started = process(100, 10, [
      "node",
      "--no-warnings",
      "/x/@openai/codex/bin/codex.js",
      "--no-daemon",
    ]);
    expect(identify(started)?.outermost).toBe(started);
  });

  it("counts `codex exec`, which occupies the terminal", () => {
    const exec = process(101, 10, [NATIVE, "exec", "fix it"]);
    expect(identify(exec)?.worker).toBe(exec);
  });

  it("is never one of the helpers that serve several terminals", () => {
    const helpers = [
      process(200, 101, [DAEMON, "app-server", "--listen", "unix://", "--managed-daemon"]),
      process(201, 101, [DAEMON, "app-server", "daemon", "pid-update-loop"]),
      process(202, 200, ["/x/codex-code-mode-host", "--stdio"]),
      process(203, 200, [], "codex-code-mode"),
      process(204, 10, ["codex", "-c", "a=b", "mcp-server"]),
      process(205, 10, ["node", "/usr/bin/codex", "app-server"]),
    ];
    for (const helper of helpers) {
      expect(isCodexHelper(helper), helper.argv.join(" ")).toBe(true);
      expect(identify(helper), helper.argv.join(" ")).toBeUndefined();
    }
    expect([launcher, native, shell].map(isCodexHelper)).toEqual([false, false, false]);
  });

  it("is not another program that has codex in its words", () => {
    expect(
      identify(process(1, 0, ["vim", "codex"]), process(2, 1, ["node", "/srv/codex/server.js"])),
    ).toBeUndefined();
    expect(identify(process(3, 0, ["grep", "-r", "codex", "."]))).toBeUndefined();
  });
});
