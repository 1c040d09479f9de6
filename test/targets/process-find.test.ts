import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { createLocalProcessTable } from "../../src/server/targets/local-host.js";
import { until } from "../tmux/private-server.js";

describe.runIf(process.platform === "linux")("one process of the table", () => {
  it("is found as it is, with its words, until it is gone", async () => {
    const table = createLocalProcessTable("linux");
    const child = spawn("sleep", ["61"]);
    const pid = child.pid ?? 0;
    await until("the program runs", () => table.find(pid)?.comm === "sleep");
    expect(table.find(pid)).toMatchObject({ pid, ppid: process.pid, argv: ["sleep", "61"] });
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(table.find(pid)).toBeUndefined();
    table.close();
  });
});
