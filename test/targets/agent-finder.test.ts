import { describe, expect, it } from "vitest";
import type { Process } from "../../src/server/adapters/contract.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { findAgent } from "../../src/server/targets/agent-finder.js";

const { adapters } = new AdapterRegistry();
const SHELL = 100;

function process(pid: number, ppid: number, name: string, more: Partial<Process> = {}): Process {
  const plain = {
    pid,
    ppid,
    pgid: 200,
    tpgid: 200,
    tty: 34_816,
    comm: name,
    argv: [name],
    startRaw: String(pid),
  };
  return { ...plain, state: "S", ...more } as Process;
}

const shell = process(SHELL, 1, "bash", { pgid: SHELL });

function found(...processes: Process[]): number | undefined {
  return findAgent({ panePid: SHELL, processes: [shell, ...processes] }, adapters)?.process.pid;
}

describe("the agent of a pane", () => {
  it("is the one that the pane's own process has started, itself or by way of others", () => {
    expect(found(process(200, SHELL, "claude"))).toBe(200);
    expect(found(process(200, SHELL, "sh"), process(201, 200, "claude"))).toBe(201);
  });

  it("may be the pane's own process", () => {
    const agent = process(SHELL, 1, "claude", { pgid: 200 });
    expect(findAgent({ panePid: SHELL, processes: [agent] }, adapters)?.process.pid).toBe(SHELL);
  });

  it("TC-004 is not what an agent that was killed has left behind", () => {
    expect(found(process(300, 1, "claude"))).toBeUndefined();
    expect(found(process(300, 1, "claude"), process(400, SHELL, "claude"))).toBe(400);
  });

  it("is found however the table names parents, in circles even", () => {
    expect(found(process(300, 301, "claude"), process(301, 300, "claude"))).toBeUndefined();
  });
});
