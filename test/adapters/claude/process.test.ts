import { describe, expect, it } from "vitest";
import { identifyClaude } from "../../../src/server/adapters/claude/process.js";
import type { Process } from "../../../src/server/adapters/contract.js";

function process(pid: number, comm: string, argv: readonly string[], exe = ""): Process {
  return { pid, ppid: pid - 1, pgid: 10, tty: 1, tpgid: 10, state: "S", startRaw: "1", comm, argv, exe };
}

const SHELL = process(9, "bash", ["-bash"], "/usr/bin/bash");
const VERSIONED = "/home/dev/.local/share/claude/versions/2.1.330";

describe("a Claude Code in a pane", () => {
  it.each<[string, Process, boolean]>([
    ["by its name", process(10, "claude", ["claude"], VERSIONED), true],
    ["by its name, with arguments", process(10, "claude", ["claude", "--continue"], VERSIONED), true],
    ["by the name it was called by", process(10, "MainThread", ["/usr/local/bin/claude", "-c"]), true],
    ["by its version-named binary", process(10, "2.1.330", [VERSIONED], VERSIONED), true],
    [
      "by npm's binary",
      process(10, "claude.exe", ["/x/node_modules/@anthropic-ai/claude-code/bin/claude.exe"]),
      true,
    ],
    [
      "not by a version-named binary of something else",
      process(10, "2.1.330", ["/opt/tool/2.1.330"], "/opt/tool/2.1.330"),
      false,
    ],
    ["not by an editor that has the word as an argument", process(10, "vim", ["vim", "claude"]), false],
    ["not by a shell that was told the word", process(10, "bash", ["bash", "-c", "claude"]), false],
    [
      "not by another program of the name's beginning",
      process(10, "claude-monitor", ["claude-monitor"]),
      false,
    ],
    ["not by a process whose arguments cannot be read", process(10, "node", []), false],
  ])("is found %s", (_name, candidate, found) => {
    const identified = identifyClaude({ panePid: 9, processes: [SHELL, candidate] });
    expect(identified?.worker).toBe(found ? candidate : undefined);
  });

  it("is the outermost one: what it starts in its terminal is not another agent", () => {
    const outer = process(10, "claude", ["claude"]);
    const inner = process(11, "claude", ["claude", "-p", "hello"]);
    expect(identifyClaude({ panePid: 9, processes: [SHELL, outer, inner] })).toEqual({
      outermost: outer,
      worker: outer,
    });
  });
});
