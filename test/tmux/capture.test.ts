import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Executor } from "../../src/server/targets/executor.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { captureScreens } from "../../src/server/tmux/capture.js";
import { createPrivateServer, type PrivateServer, until } from "./private-server.js";

describe("captured screens", () => {
  let server: PrivateServer;
  let executor: Executor;
  let calls: number;
  let refusals: number;

  beforeEach(() => {
    server = createPrivateServer();
    const local = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
    calls = 0;
    refusals = 0;
    executor = {
      ...local,
      run: async (argv, options) => {
        calls += 1;
        const result = await local.run(argv, options);
        if (result.status !== 0) refusals += 1;
        return result;
      },
    };
  });
  afterEach(async () => {
    await executor.close();
    server.dispose();
  });

  const start = (command: string): string =>
    server.start("new-session", "-d", "-x", "60", "-y", "6", "-P", "-F", "#{pane_id}", command);
  const shown = (paneId: string, text: string) =>
    until(`${paneId} shows ${text}`, async () =>
      (await captureScreens(executor, [paneId])).get(paneId)?.some((line) => line.includes(text)),
    );

  it("of 60 panes come in one tmux command, each its own, and one that has vanished is left out", async () => {
    start("echo pane 0; exec sleep 600");
    for (let index = 1; index < 60; index += 1) {
      server.tmux("new-window", "-d", `echo pane ${index}; exec sleep 600`);
    }
    await shown("%59", "pane 59");
    server.tmux("kill-pane", "-t", "%30");
    const asked = Array.from({ length: 60 }, (_, index) => `%${index}`);
    calls = 0;
    const screens = await captureScreens(executor, asked);
    expect([calls, refusals]).toEqual([1, 0]);
    expect(screens.size).toBe(59);
    expect(screens.has("%30")).toBe(false);
    for (const [paneId, lines] of screens) expect(lines[0]).toBe(`pane ${paneId.slice(1)}`);
  });

  it("of more panes than one command holds are whole", async () => {
    start("echo here; exec sleep 600");
    await shown("%0", "here");
    const many = ["%0", ...Array.from({ length: 300 }, (_, index) => `%${1_000 + index}`), "%0"];
    calls = 0;
    expect([...(await captureScreens(executor, many)).keys()]).toEqual(["%0"]);
    expect(calls).toBeGreaterThan(1);
    expect(calls).toBeLessThan(5);
  });

  it("are the visible lines by default, and with scrollback those above too", async () => {
    const pane = start("seq 1 40; exec sleep 600");
    await shown(pane, "40");
    const visible = (await captureScreens(executor, [pane])).get(pane);
    expect(visible).toEqual(["36", "37", "38", "39", "40", ""]);
    const more = (await captureScreens(executor, [pane], { scrollback: 10 })).get(pane);
    expect(more).toHaveLength(16);
    expect(more?.[0]).toBe("26");
  });

  it("of an empty screen are its empty lines, not nothing", async () => {
    const pane = start("exec sleep 600");
    expect((await captureScreens(executor, [pane])).get(pane)).toEqual(["", "", "", "", "", ""]);
  });

  it("show markers of other calls, tmux formats and escapes as mere text", async () => {
    const pane = start(
      "printf '0123456789abcdef\\n#{pid} #(touch x)\\n%%end 1 1 1\\n\\033[31mred\\033[0m\\n'; exec sleep 600",
    );
    await shown(pane, "red");
    expect((await captureScreens(executor, [pane])).get(pane)).toEqual([
      "0123456789abcdef",
      "#{pid} #(touch x)",
      "%end 1 1 1",
      "red",
      "",
      "",
    ]);
  });

  it("without a server, or of no panes, are none", async () => {
    expect((await captureScreens(executor, ["%0"])).size).toBe(0);
    calls = 0;
    expect((await captureScreens(executor, [])).size).toBe(0);
    expect(calls).toBe(0);
  });

  it("are never asked for by anything but a pane id", async () => {
    await expect(captureScreens(executor, ["%0 ; kill-server"])).rejects.toMatchObject({ kind: "failed" });
    expect(calls).toBe(0);
  });
});
