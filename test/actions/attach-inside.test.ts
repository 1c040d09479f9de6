import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { remoteCommand } from "../../src/server/actions/attach.js";
import { createPrivateServer, type PrivateServer, until } from "../tmux/private-server.js";
import { ActionScene, refusal, type TargetInit } from "./support/actor.js";

const SLEEP = "exec sleep 100000";

describe("attach, in a terminal", () => {
  let actors: ActionScene;
  let terminal: PrivateServer;
  /** The terminals of somebody: panes of another tmux server. */
  let outer: PrivateServer;

  beforeAll(async () => {
    actors = await ActionScene.start();
    terminal = actors.scene.terminal;
    outer = createPrivateServer();
    outer.start("new-session", "-d", "-x", "120", "-y", "40", SLEEP);
  });
  afterAll(async () => {
    outer?.dispose();
    await actors?.close();
  });

  afterEach(async () => {
    outer.tmux("kill-window", "-a");
    await until("no client", () => shown().length === 0);
  });

  const FACTS = "#{session_name}|#{window_id}|#{pane_id}";
  const shown = (): string[] => terminal.tmux("list-clients", "-F", FACTS).split("\n").filter(Boolean);
  const untilShown = (row: string) => until(`a client to show ${row}`, () => shown().join() === row);
  const argvOf = async (target: TargetInit, clientTmux = ""): Promise<string[]> =>
    (await actors.client.actions.attach({ target, clientTmux })).argv;
  const listed = (paneId: string) =>
    actors.scene.untilPane(`${paneId} to be listed`, ({ identity }) => identity?.paneId === paneId);

  /** A session with a second window of two panes; resolves with the first pane of that, which is not the active one. */
  async function session(name: string): Promise<{ paneId: string; windowId: string }> {
    terminal.start("new-session", "-d", "-s", name, "-x", "100", "-y", "30", SLEEP);
    const where = ["-d", "-t", `=${name}:`, "-P", "-F", "#{pane_id} #{window_id}", SLEEP];
    const [paneId = "", windowId = ""] = terminal.tmux("new-window", ...where).split(" ");
    terminal.tmux("split-window", "-t", paneId, SLEEP);
    await listed(paneId);
    return { paneId, windowId };
  }

  it("TC-024 within the same server switches the client that asked, and no other, to exactly that pane", async () => {
    const there = await session("there");
    terminal.start("new-session", "-d", "-s", "home", "-x", "100", "-y", "30", "exec sh -i");
    terminal.start("new-session", "-d", "-s", "bystander", "-x", "100", "-y", "30", SLEEP);
    const attach = (name: string): string => {
      const argv = [
        "env",
        "-u",
        "TMUX",
        "tmux",
        "-S",
        terminal.socketPath,
        "attach-session",
        "-t",
        `=${name}`,
      ];
      return outer.tmux("new-window", "-d", "-P", "-F", "#{pane_id}", ...argv);
    };
    const windows = [attach("home"), attach("bystander")];
    await until("both clients", () => shown().length === 2);
    const before = shown().find((row) => row.startsWith("bystander|"));
    const clientTmux = `${terminal.socketPath},${terminal.pid()},0`;
    const argv = await argvOf(await actors.target(there), clientTmux);
    expect(argv.slice(3, 4)).toEqual(["switch-client"]);
    // A shell in a pane of that server, as its user would have it run.
    terminal.tmux("send-keys", "-t", "=home:", "-l", argv.map((word) => `'${word}'`).join(" "));
    terminal.tmux("send-keys", "-t", "=home:", "Enter");
    const row = `there|${there.windowId}|${there.paneId}`;
    await until("the client to show it", () => shown().includes(row));
    expect(shown().toSorted()).toEqual([before, row].toSorted());
    for (const window of windows) outer.tmux("kill-pane", "-t", window);
    await until("no client", () => shown().length === 0);
  });

  it("TC-024 goes to the session that the ref names, where a window is linked into several", async () => {
    const { paneId, windowId } = await session("first");
    terminal.start("new-session", "-d", "-s", "second", "-x", "100", "-y", "30", SLEEP);
    terminal.tmux("link-window", "-d", "-s", windowId, "-t", "=second:");
    const pane = await actors.scene.untilPane(
      "the link to be listed",
      ({ identity, alsoIn }) => identity?.paneId === paneId && alsoIn.length === 1,
    );
    for (const name of ["first", "second"]) {
      const ref = `pane:lab/${name}/${windowId}/${paneId}`;
      expect([pane.identity?.sessionName, ...pane.alsoIn]).toContain(name);
      const argv = await argvOf(await actors.target({ paneId }, { ref }));
      const window = outer.tmux("new-window", "-d", "-P", "-F", "#{pane_id}", "env", "-u", "TMUX", ...argv);
      await untilShown(`${name}|${windowId}|${paneId}`);
      outer.tmux("kill-pane", "-t", window);
      await until("no client", () => shown().length === 0);
    }
  });

  it("TC-022 selects nothing when the window has left the session or the pane has gone", async () => {
    const { paneId, windowId } = await session("left");
    const active = (): string => terminal.tmux("display-message", "-p", "-t", "=left:", "#{window_id}");
    const before = active();
    const target = await actors.target({ paneId });
    terminal.start("new-session", "-d", "-s", "right", "-x", "100", "-y", "30", SLEEP);
    terminal.tmux("move-window", "-d", "-s", windowId, "-t", "=right:");
    const refused = await refusal(argvOf(target));
    expect(refused.codeName).toMatch(/^E_(?:PRECONDITION_FAILED|REF_NOT_FOUND)$/u);
    expect(active()).toBe(before);
    expect(terminal.tmux("display-message", "-p", "-t", "=right:", "#{window_id}")).not.toBe(windowId);
    const later = await session("gone");
    const gone = await actors.target(later);
    terminal.tmux("kill-pane", "-t", later.paneId);
    expect((await refusal(argvOf(gone))).codeName).toMatch(/^E_(?:RUNTIME_STALE|REF_NOT_FOUND)$/u);
  });

  const SHELLS = ["sh", "bash", "dash", "busybox sh", "zsh", "fish", "tcsh"];
  it.each(SHELLS)("TC-024 is shown by the line for another host as %s reads it", async (shell) => {
    const { paneId, windowId } = await session(`for ${shell}`);
    terminal.tmux("select-window", "-t", windowId, ";", "select-pane", "-t", paneId);
    const id = terminal.tmux("display-message", "-p", "-t", paneId, "#{session_id}");
    const line = remoteCommand(terminal.socketPath, id);
    // As sshd runs it: the login shell with -c, on a terminal.
    const words = ["env", "-u", "TMUX", ...shell.split(" "), "-c", line];
    const window = outer.tmux("new-window", "-d", "-P", "-F", "#{pane_id}", ...words);
    await untilShown(`for ${shell}|${windowId}|${paneId}`);
    // The shell has given way to it.
    const pid = outer.tmux("display-message", "-p", "-t", window, "#{pane_pid}");
    const { stdout } = spawnSync("ps", ["-o", "comm=", "-p", pid], { encoding: "utf8" });
    expect(stdout.trim()).toBe("tmux: client");
    outer.tmux("kill-pane", "-t", window);
    await until("no client", () => shown().length === 0);
  });
});
