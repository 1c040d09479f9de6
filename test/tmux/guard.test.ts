import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Executor } from "../../src/server/targets/executor.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { MAX_ARGV_BYTES } from "../../src/server/tmux/argv.js";
import {
  guardCondition,
  guarded,
  instanceCondition,
  MAX_PINNED_LINES,
  type PanePins,
} from "../../src/server/tmux/guard.js";
import type { PaneLook } from "../../src/server/tmux/pane-look.js";
import { createPrivateServer, type PrivateServer, signal, until } from "./private-server.js";
import { isTrue, ScreenPane } from "./screen-pane.js";

let server: PrivateServer;
let executor: Executor;

const begin = (): void => {
  server = createPrivateServer();
  executor = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
};
const end = async (): Promise<void> => {
  await executor.close();
  server.dispose();
};

/** What a look alone pins: no line. */
const bare = ({ lines: _, ...look }: PaneLook): PanePins => look;

const SCREEN = "first line\r\nDo you want to proceed?\r\n 1. Yes\r\n\u001b[1;6H";

describe("TC-061 the guard", () => {
  let pane: ScreenPane;
  let look: PaneLook;

  beforeEach(async () => {
    begin();
    pane = await ScreenPane.open(server, executor, "new-session", "-d", "-x", "60", "-y", "8");
    look = await pane.redraw(SCREEN);
  });
  afterEach(async () => {
    pane.close();
    await end();
  });

  const holds = (pins: Partial<PanePins> = {}): Promise<boolean> =>
    isTrue(executor, pane.paneId, guardCondition({ ...bare(look), ...pins }));

  it("holds for a pane as it was looked at, and goes on holding", async () => {
    const lines = look.lines.map(({ raw }) => raw);
    const condition = guardCondition({ ...look, lines, present: ["^Do you want"], absent: ["^Esc to"] });
    for (let time = 0; time < 3; time++) expect(await isTrue(executor, pane.paneId, condition)).toBe(true);
  });

  it.each<[string, (seen: PaneLook) => Partial<PanePins>]>([
    ["another pane id", () => ({ paneId: "%7" })],
    ["another first process", ({ panePid }) => ({ panePid: panePid + 1 })],
    ["another server", ({ serverPid }) => ({ serverPid: serverPid + 1 })],
    ["another start of the server", ({ serverStart }) => ({ serverStart: serverStart - 1 })],
    ["another command", () => ({ currentCommand: "sleeq" })],
    ["a shorter command", () => ({ currentCommand: "slee" })],
    ["a longer command", () => ({ currentCommand: "sleepy" })],
    ["no command", () => ({ currentCommand: "" })],
    ["the other screen", ({ alternateOn }) => ({ alternateOn: !alternateOn })],
    ["another column", ({ cursor }) => ({ cursor: { x: cursor.x + 1, y: cursor.y } })],
    ["another line", ({ cursor }) => ({ cursor: { x: cursor.x, y: cursor.y + 1 } })],
  ])("does not hold with %s pinned", async (_what, pins) => {
    expect(await holds()).toBe(true);
    expect(await holds(pins(look))).toBe(false);
  });

  it("does not hold for a pane that is gone, whatever is pinned", async () => {
    server.tmux("new-window", "-d", "sleep 100");
    server.tmux("kill-pane", "-t", pane.paneId);
    expect(await holds()).toBe(false);
    expect(await holds({ currentCommand: "", panePid: 0 })).toBe(false);
    expect(await isTrue(executor, pane.paneId, instanceCondition(look))).toBe(false);
  });

  it("does not hold after respawn-pane -k, with the same pane, window and command", async () => {
    server.tmux("respawn-pane", "-k", "-t", pane.paneId, "exec sleep 100000");
    await until(
      "the second life",
      () => server.tmux("display-message", "-p", "#{pane_pid}") !== String(pane.pid),
    );
    await pane.look();
    expect(await holds()).toBe(false);
    expect(await isTrue(executor, pane.paneId, instanceCondition(look))).toBe(false);
  });

  it("does not hold on another server with the same ids on the same socket", async () => {
    server.tmux("kill-server");
    await until("the end of the first", () => !existsSync(`/proc/${look.serverPid}`));
    const second = await ScreenPane.open(server, executor, "new-session", "-d", "-x", "60", "-y", "8");
    const now = await second.redraw(SCREEN);
    second.close();
    expect([second.paneId, now.cursor]).toEqual([pane.paneId, look.cursor]);
    // All but the server's own pid and start are as they were.
    expect(await holds({ panePid: now.panePid })).toBe(false);
    expect(await holds({ panePid: now.panePid, serverPid: now.serverPid })).toBe(
      now.serverStart === look.serverStart,
    );
    expect(await holds(bare(now))).toBe(true);
  });

  it("does not hold once another program of the pane is in front, and again when it is back", async () => {
    const shell = server.tmux("new-window", "-d", "-P", "-F", "#{pane_id} #{pane_pid}", "exec sh -im");
    const [paneId = "", pid = ""] = shell.split(" ");
    const command = (): string =>
      server.tmux("display-message", "-p", "-t", paneId, "#{pane_current_command}");
    server.tmux("send-keys", "-t", paneId, "sleep 1000", "Enter");
    await until("the program", () => command() === "sleep");
    const pins = {
      ...look,
      paneId,
      panePid: Number(pid),
      currentCommand: "sleep",
      cursor: undefined,
      lines: undefined,
    };
    expect(await isTrue(executor, paneId, guardCondition(pins))).toBe(true);
    server.tmux("send-keys", "-t", paneId, "C-c");
    await until("the shell", () => command() === "sh");
    expect(await isTrue(executor, paneId, guardCondition(pins))).toBe(false);
  });

  it("does not hold for a dead pane that still shows everything", async () => {
    server.tmux("set-option", "-g", "remain-on-exit", "on");
    signal(pane.pid, "SIGKILL");
    await until("the death", async () => (await pane.look()).dead);
    const now = await pane.look();
    expect(now.panePid).toBe(look.panePid);
    expect(await holds(bare(now))).toBe(false);
  });

  it("does not hold in copy mode, in a pane without input, and while panes are synchronised", async () => {
    const ways = [
      [["copy-mode"], ["send-keys", "-X", "cancel"]],
      [["clock-mode"], ["copy-mode", "-q"]],
      [
        ["select-pane", "-d"],
        ["select-pane", "-e"],
      ],
      [
        ["set-option", "-w", "synchronize-panes", "on"],
        ["set-option", "-w", "synchronize-panes", "off"],
      ],
    ];
    for (const [there = [], back = []] of ways) {
      server.tmux(...there);
      expect([there, await holds()]).toEqual([there, false]);
      server.tmux(...back);
      expect([back, await holds()]).toEqual([back, true]);
    }
  });

  it("does not hold on the alternate screen if it was not seen there, nor off it if it was", async () => {
    const there = await pane.draw("\u001b[?1049h");
    expect(there.alternateOn).toBe(true);
    expect(await holds({ cursor: there.cursor })).toBe(false);
    expect(await holds({ cursor: there.cursor, alternateOn: true })).toBe(true);
    const back = await pane.draw("\u001b[?1049l");
    expect(await holds({ cursor: back.cursor, alternateOn: true })).toBe(false);
    expect(await holds({ cursor: back.cursor })).toBe(true);
  });

  it("does not hold once the cursor has moved by one, in either direction", async () => {
    for (const step of ["\u001b[C", "\u001b[D\u001b[B"]) {
      await pane.draw(step);
      expect(await holds()).toBe(false);
    }
    await pane.draw("\u001b[A");
    expect(await holds()).toBe(true);
  });

  it("does not hold once one letter of a pinned line has changed, or more stands before or behind it", async () => {
    const held = (): Promise<boolean> =>
      isTrue(
        executor,
        pane.paneId,
        guardCondition({ ...look, cursor: undefined, lines: [" 1. Yes", "first line"] }),
      );
    expect(await held()).toBe(true);
    for (const change of [
      " 1. yes",
      " 2. Yes",
      " 1. Ye",
      " 1. Yes, and",
      " 1. Yes 1",
      "Not 1. Yes",
      " 1.Yes",
    ]) {
      await pane.redraw(`first line\r\n${change}`);
      expect([change, await held()]).toEqual([change, false]);
    }
    // A cursor mark and a frame come and go.
    for (const frame of ["❯ 1. Yes", "│ 1. Yes   │", "1. Yes", "\u001b[2m › 1. Yes\u001b[0m"]) {
      await pane.redraw(`first line\r\n${frame}`);
      expect([frame, await held()]).toEqual([frame, true]);
    }
  });

  it("does not hold without a pattern that must stand there, nor with one that must not", async () => {
    const held = (present: string[], absent: string[]): Promise<boolean> =>
      isTrue(executor, pane.paneId, guardCondition({ ...bare(look), present, absent }));
    expect(await held(["^Do you", "^ *[0-9]. Yes"], ["^Esc", "never"])).toBe(true);
    expect(await held(["^Do you", "^ *[0-9]. No"], [])).toBe(false);
    expect(await held(["^you"], [])).toBe(false);
    expect(await held([], ["^Esc", "^Do (you|we)"])).toBe(false);
    // What is in the scrollback is not on the screen.
    await pane.draw("\u001b[999;1H\r\n\r\n\r\n\r\n");
    expect(
      await isTrue(
        executor,
        pane.paneId,
        guardCondition({ ...look, cursor: undefined, lines: ["first line"] }),
      ),
    ).toBe(false);
  });

  it("pins as many lines as it may, of the worst kind, within one command and a quarter of a second", async () => {
    const worst = "aé".repeat(100);
    const begun = performance.now();
    const condition = guardCondition({ ...look, lines: new Array<string>(MAX_PINNED_LINES).fill(worst) });
    const command = guarded(pane.paneId, condition, [["send-keys", "-t", pane.paneId, "x"]], []);
    expect(Buffer.byteLength(command.join(" "))).toBeLessThan(MAX_ARGV_BYTES - 500);
    expect(await isTrue(executor, pane.paneId, condition)).toBe(false);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it("refuses what is no pane id and what is no whole number", () => {
    for (const paneId of ["", "%", "1", "%1,", "%1}", "@1", "%12345678901", "%1\n"]) {
      expect(() => guardCondition({ ...bare(look), paneId })).toThrow(RangeError);
    }
    for (const number of [Number.NaN, -1, 1.5, 2 ** 60]) {
      expect(() => instanceCondition({ ...look, panePid: number })).toThrow(RangeError);
      expect(() => guardCondition({ ...bare(look), cursor: { x: number, y: 0 } })).toThrow(RangeError);
    }
  });
});

describe("a guarded command", () => {
  it("takes ids, key names and words of our own", () => {
    const words = ["send-keys", "-t", "%12", "C-c", "$3:@4", "#{pane_pid}|#{pid}", "agtmux-0a", "x.y_z"];
    expect(guarded("%1", "1", [words], [])[5]).toBe(
      "send-keys -t '%12' C-c '$3:@4' '#{pane_pid}|#{pid}' agtmux-0a x.y_z",
    );
  });

  it("refuses every word that tmux's command parser could read as something else", () => {
    for (const word of [
      "",
      " ",
      "a b",
      "'",
      '"',
      ";",
      "a;",
      "\\",
      "\n",
      "\t",
      "~",
      "(",
      "!",
      "é",
      "a=b",
      "`",
      "$(x)",
      "#(x)",
    ]) {
      expect(() => guarded("%1", "1", [["display-message", word]], []), JSON.stringify(word)).toThrow(
        RangeError,
      );
      expect(() => guarded("%1", "1", [], [["display-message", word]]), JSON.stringify(word)).toThrow(
        RangeError,
      );
    }
  });
});
