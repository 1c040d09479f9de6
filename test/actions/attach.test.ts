import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TargetKind } from "../../src/client/index.js";
import { remoteCommand } from "../../src/server/actions/attach.js";
import { Scene } from "../daemon/support/scene.js";
import { LoopbackSshd } from "../targets/ssh/loopback-sshd.js";
import { createPrivateServer, type PrivateServer, until } from "../tmux/private-server.js";
import { ActionScene, lookedAgo, lookedAt, refusal, type TargetInit } from "./support/actor.js";

const NAMES = [
  "work",
  "work2",
  "wor",
  "a/b",
  "50% done",
  "two words",
  "ünï 漢字 🎉",
  "-dash",
  "dots.and:colons",
  "$1",
  "@1",
  "=x",
];

describe("attach", () => {
  let actors: ActionScene;
  /** A terminal of somebody's: a pane of another tmux server. */
  let outer: PrivateServer;
  let terminal: PrivateServer;

  beforeAll(async () => {
    actors = await ActionScene.start();
    terminal = actors.scene.terminal;
    outer = createPrivateServer();
    outer.start("new-session", "-d", "-s", "outer", "-x", "120", "-y", "40", "exec sleep 100000");
  });
  afterAll(async () => {
    outer?.dispose();
    await actors?.close();
  });

  const argvOf = async (target: TargetInit, clientTmux = ""): Promise<string[]> =>
    (await actors.client.actions.attach({ target, clientTmux })).argv;
  const pane = (paneId: string) => actors.target({ paneId });
  /** What each client of the server shows: session, window and pane. */
  const shown = (): string[] =>
    terminal
      .tmux("list-clients", "-F", "#{session_name}|#{window_id}|#{pane_id}")
      .split("\n")
      .filter(Boolean);

  /** A session with two windows of two panes; the second window's first pane is the one to go to. */
  async function session(name: string): Promise<{ paneId: string; row: string }> {
    terminal.start("new-session", "-d", "-s", name, "-x", "100", "-y", "30", "exec sleep 100000");
    // tmux makes another name of some: whatever it made, the newest session is this one.
    const made = terminal.tmux("list-sessions", "-F", "#{session_id}").split("\n").at(-1) ?? "";
    const where = ["-t", `${made}:`, "-P", "-F", "#{pane_id}", "exec sleep 100000"];
    const paneId = terminal.tmux("new-window", "-d", ...where);
    terminal.tmux("split-window", "-t", paneId, "exec sleep 100000");
    await actors.scene.untilPane("the pane to be listed", ({ identity }) => identity?.paneId === paneId);
    const row = terminal.tmux(
      "display-message",
      "-p",
      "-t",
      paneId,
      "#{session_name}|#{window_id}|#{pane_id}",
    );
    return { paneId, row };
  }

  it.each(NAMES)("TC-024 goes to exactly that pane of a session named %s, and to no other", async (name) => {
    const { paneId, row } = await session(name);
    const argv = await argvOf(await pane(paneId));
    expect(argv.slice(0, 2)).toEqual(["tmux", "-S"]);
    const window = outer.tmux("new-window", "-d", "-P", "-F", "#{pane_id}", "env", "-u", "TMUX", ...argv);
    await until("the client to show it", () => shown().includes(row));
    expect(shown()).toEqual([row]);
    outer.tmux("kill-pane", "-t", window);
    await until("the client to be gone", () => shown().length === 0);
  });

  it("switches the client within the same server, and leaves the outer tmux out within another", async () => {
    const { paneId } = await session("inside");
    const { socketPath } = terminal;
    const id = terminal.tmux("display-message", "-p", "-t", paneId, "#{session_id}");
    const own = `${socketPath},${terminal.pid()},0`;
    expect(await argvOf(await pane(paneId), own)).toEqual([
      "tmux",
      "-S",
      socketPath,
      "switch-client",
      "-t",
      id,
    ]);
    // The same socket of another server's life is another server.
    const others = [`${outer.socketPath},${outer.pid()},0`, `${socketPath},1,0`, "garbage", "a,b,c"];
    for (const clientTmux of others) {
      const argv = await argvOf(await pane(paneId), clientTmux);
      expect(argv).toEqual([
        "env",
        "-u",
        "TMUX",
        "-u",
        "TMUX_PANE",
        "tmux",
        "-S",
        socketPath,
        "attach-session",
        "-t",
        id,
      ]);
    }
    const nested = outer.tmux(
      "new-window",
      "-d",
      "-P",
      "-F",
      "#{pane_id}",
      ...(await argvOf(await pane(paneId), others[0])),
    );
    await until("the client to show it", () => shown().length === 1);
    outer.tmux("kill-pane", "-t", nested);
  });

  it("TC-022 is refused on a look that is too old, on another runtime, and on another process in the pane", async () => {
    const agent = await actors.agent();
    const good = await actors.target(agent);
    const code = async (target: TargetInit) =>
      (await refusal(actors.client.actions.attach({ target }))).codeName;
    expect(await code(lookedAgo({ ...good, requestRef: actors.ref() }, 31))).toBe("E_SNAPSHOT_EXPIRED");
    const another = lookedAt({ ...good, requestRef: actors.ref() }, { runtimeId: "0".repeat(64) });
    expect(await code(another)).toBe("E_RUNTIME_STALE");
    const { paneId } = await session("plain");
    const plain = await pane(paneId);
    terminal.tmux("respawn-pane", "-k", "-t", paneId, "exec sleep 100000");
    expect(await code(plain)).toBe("E_RUNTIME_STALE");
    // Nothing was selected by what was refused.
    const active = terminal.tmux("display-message", "-p", "-t", "plain:", "#{pane_id}");
    expect(active).not.toBe(paneId);
  });

  it("TC-005 by a ref of a runtime that has ended is refused, and so is one of a pane that is gone", async () => {
    const agent = await actors.agent();
    const { agent: status, observation } = await actors.pane(agent.paneId);
    const target = {
      ref: `runtime:${status?.runtimeId}`,
      requestRef: actors.ref(),
      expect: observation ?? {},
    };
    const { ref } = await actors.pane(agent.paneId);
    await actors.gone(agent);
    expect((await refusal(actors.client.actions.attach({ target }))).codeName).toBe("E_RUNTIME_STALE");
    const gone = { ...target, ref, requestRef: actors.ref() };
    expect((await refusal(actors.client.actions.attach({ target: gone }))).codeName).toBe("E_REF_NOT_FOUND");
  });
});

describe("attach on another host", () => {
  it.each(["sh", "bash", "dash", "busybox sh", "zsh", "fish", "tcsh"])(
    "TC-024 passes %s as a login shell word by word",
    (shell) => {
      const [program = "", ...words] = shell.split(" ");
      const line = remoteCommand("/tmp/a.b+c-d_e/s", "$12").replace(/^exec tmux/u, "printf %s,");
      // What tmux would be given, each word on its own.
      const { stdout, stderr, status } = spawnSync(program, [...words, "-c", line], { encoding: "utf8" });
      expect([stdout, stderr, status]).toEqual(["-u,-S,/tmp/a.b+c-d_e/s,attach-session,-t,$12,", "", 0]);
    },
  );

  it.each(["/tmp/it's", "/tmp/a b", "/tmp/$(x)", "/tmp/a;b", "/tmp/!x", "/tmp/`x`", "/tmp/a\nb"])(
    "refuses a socket path that might mean something to a shell: %s",
    (path) => {
      expect(() => remoteCommand(path, "$1")).toThrow(/login shell/u);
    },
  );

  it("TC-024 goes over ssh to exactly that pane, with the user's settings", async () => {
    const sshd = await LoopbackSshd.start();
    const scene = await Scene.start({ env: { AGTMUX_SSH_CONFIG: sshd.configFile } });
    const outer = createPrivateServer();
    try {
      const { terminal, client } = scene;
      await client.targets.removeTarget({ name: "lab" });
      terminal.start("new-session", "-d", "-s", "far away", "-x", "100", "-y", "30", "exec sleep 100000");
      const paneId = terminal.tmux("new-window", "-d", "-P", "-F", "#{pane_id}", "exec sleep 100000");
      await client.targets.addTarget({ name: "vm1", kind: TargetKind.SSH, tmuxSocket: terminal.socketPath });
      const { ref, observation } = await scene.untilPane(
        "the pane",
        ({ identity }) => identity?.paneId === paneId,
      );
      const target = { ref, requestRef: "over ssh", expect: observation ?? {} };
      const { argv } = await client.actions.attach({ target });
      expect(argv.slice(0, 6)).toEqual(["ssh", "-t", "-F", sshd.configFile, "--", "vm1"]);
      outer.start("new-session", "-d", "-x", "120", "-y", "40", ...argv);
      await until("the client to show it", () => {
        const clients = terminal.tmux("list-clients", "-F", "#{session_name}|#{pane_id}");
        return clients === `far away|${paneId}`;
      });
    } finally {
      outer.dispose();
      await scene.close();
      await sshd.close();
    }
  });
});
