import { existsSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Executor } from "../../src/server/targets/executor.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { askTopology, type Topology, topologyQuestion } from "../../src/server/tmux/topology.js";
import { linkFields } from "../../src/server/tmux/topology-row.js";
import { createPrivateServer, type PrivateServer, signal, until } from "./private-server.js";

let server: PrivateServer;
let executor: Executor;

beforeEach(() => {
  server = createPrivateServer();
  executor = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
});
afterEach(async () => {
  await executor.close();
  server.dispose();
});

const start = (name = "work", command = "exec sleep 600"): string =>
  server.start("new-session", "-d", "-s", name, "-x", "100", "-y", "30", "-c", server.directory, command);
const readTopology = async (from: Executor): Promise<Topology> => (await askTopology(from, false)).topology;
const paneOf = (topology: Topology, paneId: string) => topology.panes.find((pane) => pane.paneId === paneId);

describe("a topology", () => {
  it("is empty, and no error, without a server", async () => {
    expect(await readTopology(executor)).toEqual({
      bootId: undefined,
      serverPid: undefined,
      startTime: undefined,
      version: undefined,
      sessions: [],
      rows: [],
      panes: [],
      malformed: 0,
    });
  });

  it("names the server's life, its sessions and everything the contract asks of a pane", async () => {
    start();
    const pid = server.tmux("display-message", "-p", "-t", "%0", "#{pane_pid}");
    await until(
      "the command runs",
      async () => (await readTopology(executor)).panes[0]?.currentCommand === "sleep",
    );
    const topology = await readTopology(executor);
    expect(topology.bootId).toBe(server.tmux("display-message", "-p", "#{pid}:#{start_time}"));
    expect(topology.bootId).toBe(`${topology.serverPid}:${topology.startTime}`);
    expect(`tmux ${topology.version}`).toBe(server.tmux("-V"));
    expect(topology.sessions).toEqual([
      { sessionId: "$0", sessionName: "work", sessionGroup: undefined, sessionAttached: 0, windows: 1 },
    ]);
    expect(topology.malformed).toBe(0);
    expect(topology.rows).toHaveLength(1);
    expect(topology.panes).toEqual([
      {
        sessionId: "$0",
        sessionName: "work",
        sessionGroup: undefined,
        sessionAttached: 0,
        windowId: "@0",
        windowName: expect.any(String),
        windowIndex: 0,
        windowActive: true,
        windowActivity: expect.any(Number),
        paneId: "%0",
        paneIndex: 0,
        paneActive: true,
        panePid: Number(pid),
        paneTty: expect.stringMatching(/^\/dev\/pts\/\d+$/),
        dead: false,
        deadStatus: undefined,
        deadSignal: undefined,
        inMode: false,
        alternateOn: false,
        inputOff: false,
        synchronized: false,
        width: 100,
        height: 30,
        currentCommand: "sleep",
        currentPath: server.directory,
        title: expect.any(String),
        alsoIn: [],
      },
    ]);
  });

  it("leaves command and path out when cheap, and is the same else", async () => {
    start();
    const whole = await readTopology(executor);
    const cheap = (await askTopology(executor, true)).topology;
    expect(cheap.malformed).toBe(0);
    expect(cheap.panes).toEqual(
      whole.panes.map((pane) => ({ ...pane, currentCommand: undefined, currentPath: undefined })),
    );
  });

  it("is the very answer of the last time, if tmux says the same", async () => {
    start();
    const first = await askTopology(executor, true);
    expect(await askTopology(executor, true, first)).toBe(first);
    server.tmux("rename-session", "-t", "work", "play");
    const second = await askTopology(executor, true, first);
    expect(second.topology.sessions.map(({ sessionName }) => sessionName)).toEqual(["play"]);
  });

  it("sees copy mode, alternate screen, switched-off input, synchronised panes", async () => {
    start("work", "printf '\\033[?1049h'; exec sleep 600");
    server.tmux("split-window", "-d", "-t", "%0", "exec sleep 600");
    server.tmux("copy-mode", "-t", "%1");
    server.tmux("select-pane", "-d", "-t", "%1");
    server.tmux("set-option", "-w", "-t", "@0", "synchronize-panes", "on");
    const topology = await until("the alternate screen", async () => {
      const now = await readTopology(executor);
      return paneOf(now, "%0")?.alternateOn === true && now;
    });
    expect(paneOf(topology, "%0")).toMatchObject({ inMode: false, inputOff: false, synchronized: true });
    expect(paneOf(topology, "%1")).toMatchObject({
      inMode: true,
      inputOff: true,
      synchronized: true,
      paneActive: false,
    });
  });

  it("tells how a dead pane ended", async () => {
    start();
    server.tmux("set-option", "-g", "remain-on-exit", "on");
    server.tmux("split-window", "-d", "-t", "%0", "exit 3");
    server.tmux("split-window", "-d", "-t", "%0", "kill -TERM $$");
    const topology = await until("tmux knows how both panes ended", async () => {
      // tmux 3.3a can miss a SIGCHLD: such a pane is dead without a status until tmux reaps again.
      signal(server.pid(), "SIGCHLD");
      const now = await readTopology(executor);
      return (
        paneOf(now, "%1")?.deadStatus !== undefined && paneOf(now, "%2")?.deadSignal !== undefined && now
      );
    });
    expect(paneOf(topology, "%1")).toMatchObject({ dead: true, deadStatus: 3, deadSignal: undefined });
    expect(paneOf(topology, "%2")).toMatchObject({ dead: true, deadStatus: undefined });
    expect(paneOf(topology, "%2")?.deadSignal).toMatch(/^(15|TERM)$/);
  });
});

describe("a pane that several sessions show", () => {
  it("of a group is one pane of the lowest session, the others in alsoIn", async () => {
    start("second");
    server.tmux("new-session", "-d", "-s", "zeta", "-t", "second");
    server.tmux("new-session", "-d", "-s", "alpha", "-t", "second");
    const topology = await readTopology(executor);
    expect(topology.rows).toHaveLength(3);
    expect(topology.panes).toHaveLength(1);
    expect(topology.panes[0]).toMatchObject({
      sessionId: "$0",
      sessionName: "second",
      alsoIn: ["zeta", "alpha"],
    });
    expect(new Set(topology.sessions.map((session) => session.sessionGroup))).toEqual(new Set(["second"]));
  });

  it("of a linked window is one pane of the lowest session, wherever it was made", async () => {
    start("low");
    server.tmux("new-session", "-d", "-s", "high", "exec sleep 600");
    server.tmux("link-window", "-d", "-s", "@1", "-t", "low:7");
    const topology = await readTopology(executor);
    expect(topology.rows).toHaveLength(3);
    expect(paneOf(topology, "%1")).toMatchObject({ sessionName: "low", windowIndex: 7, alsoIn: ["high"] });
    expect(paneOf(topology, "%0")).toMatchObject({ sessionName: "low", windowIndex: 0, alsoIn: [] });
  });

  it("linked twice into one session is one pane and not also in its own session", async () => {
    start("only");
    server.tmux("link-window", "-d", "-s", "@0", "-t", "only:4");
    const topology = await readTopology(executor);
    expect(topology.rows.map((row) => row.windowIndex)).toEqual([0, 4]);
    expect(topology.panes).toHaveLength(1);
    expect(topology.panes[0]).toMatchObject({ windowIndex: 0, alsoIn: [] });
  });

  it("is in the tenth session before the second only by number, not by spelling", async () => {
    start("s0");
    for (let index = 1; index <= 10; index += 1) {
      server.tmux("new-session", "-d", "-s", `s${index}`, "exec sleep 600");
    }
    server.tmux("link-window", "-d", "-s", "s10:0", "-t", "s2:5");
    expect(paneOf(await readTopology(executor), "%10")).toMatchObject({ sessionName: "s2", alsoIn: ["s10"] });
  });
});

describe("hostile names", () => {
  it("in a directory, newlines and separators and all, stay in their field", async () => {
    start();
    const names = [
      "a\nb\tc",
      "#{pid} #(touch canary)",
      "$(touch canary)`touch canary`;x",
      "é漢🙂 'q' \"q\"",
      "|R0F0|",
    ];
    for (const name of names) {
      const path = join(server.directory, name);
      mkdirSync(path);
      // The pane goes there itself: a directory given to tmux would be expanded as a format.
      server.tmux("new-window", "-d", "-e", `WHERE=${path}`, 'cd "$WHERE" && exec sleep 600');
    }
    const topology = await until("all panes are there", async () => {
      const now = await readTopology(executor);
      return now.panes.slice(1).every((pane) => pane.currentCommand === "sleep") && now;
    });
    expect(topology.malformed).toBe(0);
    expect(topology.panes.slice(1).map((pane) => pane.currentPath)).toEqual(
      names.map((name) => `${realpathSync(server.directory)}/${name.replace(/[\n\t]/g, "")}`),
    );
    expect(readdirSync(server.directory)).not.toContain("canary");
  });

  it("that are no UTF-8 are repaired", async () => {
    start("work", 'cd "$HOME" && d=$(printf "x\\377y\\303") && mkdir "$d" && cd "$d" && exec sleep 600');
    const path = await until("the command runs", async () => {
      const [pane] = (await readTopology(executor)).panes;
      return pane?.currentCommand === "sleep" && pane.currentPath;
    });
    expect(path).toMatch(/\/x\ufffd+y\ufffd+$/);
    expect(path.isWellFormed()).toBe(true);
  });

  it("in titles are bounded, lose their control characters, and are neither expanded nor run", async () => {
    const canary = join(server.directory, "canary");
    const titles = [
      `#(touch ${canary})`,
      `$(touch ${canary})`,
      "#{pid}#{session_name}",
      "⠋ é漢🙂",
      "t".repeat(6_000),
    ];
    start();
    for (const title of titles) {
      server.tmux("new-window", "-d", "-e", `T=${title}`, `printf '\\033]2;%s\\007' "$T"; exec sleep 600`);
    }
    const topology = await until("the titles are set", async () => {
      const now = await readTopology(executor);
      return (
        (paneOf(now, "%5")?.title.length ?? 0) > 1_000 && paneOf(now, "%4")?.title.startsWith("⠋") && now
      );
    });
    // tmux from 3.7 on stores a `#(` of a title as `_(`.
    expect(paneOf(topology, "%1")?.title).toMatch(/^[#_]\(touch /);
    expect(paneOf(topology, "%2")?.title).toBe(titles[1]);
    expect(paneOf(topology, "%3")?.title).toMatch(/^[#_]\{pid\}[#_]\{session_name\}$/);
    expect(paneOf(topology, "%4")?.title).toBe(titles[3]);
    expect(paneOf(topology, "%5")?.title).toBe("t".repeat(2_048));
    expect(topology.malformed).toBe(0);
    await server.tmux("run-shell", "sleep 0.2");
    expect(existsSync(canary)).toBe(false);
  });

  it("of sessions and windows are bounded and not expanded", async () => {
    start();
    await executor.run(["rename-session", "-t", "$0", `${"s".repeat(400)}`]);
    await executor.run(["rename-window", "-t", "@0", "##{pid} \u202eevil"]);
    const [pane] = (await readTopology(executor)).panes;
    expect(pane?.sessionName).toBe("s".repeat(256));
    expect(pane?.windowName).toBe("#{pid} evil");
  });
});

describe("servers", () => {
  it("on two sockets are two topologies with two boot ids", async () => {
    const other = createPrivateServer();
    try {
      start("here");
      other.start("new-session", "-d", "-s", "there", "exec sleep 600");
      const elsewhere = createLocalExecutor({ socket: { path: other.socketPath }, env: process.env });
      const [one, two] = await Promise.all([readTopology(executor), readTopology(elsewhere)]);
      await elsewhere.close();
      expect(one.panes.map((pane) => pane.sessionName)).toEqual(["here"]);
      expect(two.panes.map((pane) => pane.sessionName)).toEqual(["there"]);
      expect(one.bootId).not.toBe(two.bootId);
    } finally {
      other.dispose();
    }
  });

  it("that run without a session have a boot id and no panes", async () => {
    start();
    server.tmux("set-option", "-s", "exit-empty", "off");
    server.tmux("kill-session", "-t", "$0");
    expect(await readTopology(executor)).toMatchObject({
      bootId: expect.stringMatching(/^\d+:\d+$/),
      sessions: [],
      panes: [],
      malformed: 0,
    });
  });

  it("killed while they are read are gone, not faulty", async () => {
    start();
    signal(server.pid(), "SIGSTOP");
    const reading = readTopology(executor);
    signal(server.pid(), "SIGKILL");
    expect((await reading).bootId).toBeUndefined();
  });

  it("stopped time out instead of looking empty", async () => {
    start();
    signal(server.pid(), "SIGSTOP");
    const slow: Executor = { ...executor, run: (argv) => executor.run(argv, { timeoutMs: 200 }) };
    await expect(readTopology(slow)).rejects.toMatchObject({ kind: "timeout" });
    signal(server.pid(), "SIGCONT");
    expect((await readTopology(executor)).panes).toHaveLength(1);
  });

  it("that refuse the question are a protocol failure, not an empty server", async () => {
    start();
    const strange: Executor = {
      ...executor,
      run: async (argv) => ({ ...(await executor.run(argv)), status: 1 }),
    };
    await expect(readTopology(strange)).rejects.toMatchObject({ kind: "protocol" });
    const silent: Executor = { ...executor, run: async () => ({ status: 0, stdout: "", stderr: "" }) };
    await expect(readTopology(silent)).rejects.toMatchObject({ kind: "protocol" });
  });
});

describe("the answer's reader", () => {
  const nonce = "0123456789abcdef";
  const line = (kind: string, fields: readonly string[]) =>
    `R${nonce}${[kind, ...fields, ""].join(`F${nonce}`)}\n`;
  const boot = line("d", ["42", "1700000000", "3.3a"]);
  const values: Record<string, string> = {
    session_id: "$1",
    window_id: "@2",
    pane_id: "%3",
    session_name: "s",
  };
  const fields = (more: Record<string, string> = {}) =>
    linkFields(false).map(
      (field) => ({ ...values, ...more })[field] ?? (/name|path|title|tty/.test(field) ? "" : "0"),
    );
  const read = (text: string) => topologyQuestion(nonce, false).read(text);

  it("drops and counts rows that are cut, too short, too long or of no form, and keeps the others", () => {
    const good = line("p", fields());
    const bad = [
      good.slice(0, -20),
      line("p", fields().slice(1)),
      line("p", [...fields(), "x"]),
      line("p", fields({ pane_id: "3" })),
      line("p", fields({ pane_pid: "" })),
      line("p", fields({ pane_width: "-1" })),
      line("q", ["x"]),
      line("s", ["$1", "s"]),
    ];
    const topology = read(boot + good + bad.join("") + good);
    expect(topology.rows).toHaveLength(2);
    expect(topology.malformed).toBe(bad.length);
  });

  it("keeps any text without the call's own random separator in its field", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.string({ maxLength: 60 }),
        (title, path) => {
          const topology = read(boot + line("p", fields({ pane_title: title, pane_current_path: path })));
          expect(topology.malformed).toBe(0);
          expect(topology.rows[0]?.title.isWellFormed()).toBe(true);
          expect(topology.rows[0]?.paneId).toBe("%3");
        },
      ),
    );
  });

  it("never throws anything but a protocol failure, whatever the answer is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(`R${nonce}`, `F${nonce}`, boot, "p", "\n"))),
        (parts) => {
          try {
            read(parts.join(""));
          } catch (error) {
            expect(error).toMatchObject({ kind: "protocol" });
          }
        },
      ),
    );
  });
});
