import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { AttributeReader } from "../../src/server/tmux/attributes.js";
import { captureScreens } from "../../src/server/tmux/capture.js";
import { lookAtPane } from "../../src/server/tmux/pane-look.js";
import { holdsAsync, PATIENCE } from "../support/property.js";
import { hostileText } from "./hostile-text.js";
import { createPrivateServer, type PrivateServer, signal, until } from "./private-server.js";
import { ScreenPane } from "./screen-pane.js";

describe("a look at a pane", () => {
  let server: PrivateServer;
  let executor: ReturnType<typeof createLocalExecutor>;
  let pane: ScreenPane;

  beforeEach(async () => {
    server = createPrivateServer();
    executor = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
    pane = await ScreenPane.open(server, executor, "new-session", "-d", "-x", "60", "-y", "8");
  });
  afterEach(async () => {
    pane.close();
    await executor.close();
    server.dispose();
  });

  it("gives identity, size, cursor and every line of the screen, of one moment", async () => {
    const look = await pane.redraw("one\r\n\r\n  three\u001b[2;5H");
    const [serverPid, serverStart] = server.tmux("display-message", "-p", "#{pid} #{start_time}").split(" ");
    expect({ ...look, lines: look.lines.map(({ text }) => text) }).toEqual({
      paneId: "%0",
      panePid: pane.pid,
      serverPid: Number(serverPid),
      serverStart: Number(serverStart),
      currentCommand: "sleep",
      alternateOn: false,
      dead: false,
      inMode: false,
      inputOff: false,
      synchronized: false,
      cursor: { x: 4, y: 1 },
      width: 60,
      height: 8,
      lines: ["one", "", "  three", "", "", "", "", "drawn1."],
    });
  });

  it("tells of copy mode, input off, synchronised panes, the alternate screen and a dead program", async () => {
    server.tmux("copy-mode");
    expect(await pane.look()).toMatchObject({ inMode: true });
    server.tmux("copy-mode", "-q");
    server.tmux("select-pane", "-d");
    expect(await pane.look()).toMatchObject({ inMode: false, inputOff: true });
    server.tmux("select-pane", "-e");
    server.tmux("set-option", "-w", "synchronize-panes", "on");
    expect(await pane.look()).toMatchObject({ inputOff: false, synchronized: true });
    server.tmux("set-option", "-w", "synchronize-panes", "off");
    await pane.draw("\u001b[?1049h");
    expect(await pane.look()).toMatchObject({ synchronized: false, alternateOn: true });
    server.tmux("set-option", "-g", "remain-on-exit", "on");
    signal(pane.pid, "SIGKILL");
    await until("the death", async () => (await pane.look()).dead);
  });

  it("is undefined for a pane that is gone, and for one that never was", async () => {
    server.tmux("new-window", "-d", "sleep 1000");
    server.tmux("kill-pane", "-t", "%0");
    expect(await lookAtPane(executor, "%0")).toBeUndefined();
    expect(await lookAtPane(executor, "%99")).toBeUndefined();
    expect(await lookAtPane(executor, "%1")).toMatchObject({ paneId: "%1" });
  });

  it("is undefined when the answer is cut anywhere", async () => {
    await pane.redraw("one");
    for (const kept of [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]) {
      const cutting = {
        ...executor,
        run: async (...asked: Parameters<typeof executor.run>) => {
          const result = await executor.run(...asked);
          return { ...result, stdout: result.stdout.slice(0, Math.floor(result.stdout.length * kept)) };
        },
      };
      expect(await lookAtPane(cutting, "%0")).toBeUndefined();
    }
  });

  it("keeps its order whatever names and titles imitate its answer", async () => {
    const forged = "1|2|3|0|0|0|0|0|9|9|80|24";
    // A terminal's program may call itself anything.
    const program = join(server.directory, "forger.py");
    writeFileSync(program, `import os\nos.execv('/bin/sleep', ['${forged}\\n\\n${forged}\\nx y', '1000'])\n`);
    server.tmux("rename-window", forged);
    server.tmux("select-pane", "-T", forged);
    const words = ["new-window", "-d", "-P", "-F", "#{pane_id} #{pane_pid}"];
    const [paneId = "", pid = ""] = server.tmux(...words, `exec /usr/bin/python3 ${program}`).split(" ");
    const look = await until("its name", async () => {
      const now = await lookAtPane(executor, paneId);
      return now?.currentCommand.startsWith("1|2") === true ? now : undefined;
    });
    // What stands behind a blank tmux leaves out.
    expect(look.currentCommand).toBe(`${forged}\n\n${forged}\nx`);
    expect(look).toMatchObject({ panePid: Number(pid), dead: false, cursor: { x: 0, y: 0 }, width: 60 });
    expect(look.lines).toHaveLength(8);
  });

  it("tells faint text from what is vivid, and no colour is taken for it", async () => {
    const look = await pane.redraw(
      [
        "❯ \u001b[2mTry a hint\u001b[0m typed",
        "\u001b[38;5;2mgreen\u001b[48;5;2m on green\u001b[0m",
        "\u001b[38;2;2;2;2mtrue\u001b[48;2;2;2;2m colours\u001b[0m",
        "\u001b[1;2;3;4mall but \u001b[22mvivid\u001b[0m",
        "\u001b[4:2munderlined twice\u001b[58;5;2m in green\u001b[0m",
        "\u001b[2m漢字 faint over",
        "two lines\u001b[0m, then not",
      ].join("\r\n"),
    );
    expect(look.lines.slice(0, 7).map(({ vivid }) => vivid.trimEnd())).toEqual([
      "❯            typed",
      "green on green",
      "true colours",
      "        vivid",
      "underlined twice in green",
      "",
      "         , then not",
    ]);
    expect(look.lines[5]?.text).toBe("漢字 faint over");
    expect(look.lines[6]?.text).toBe("two lines, then not");
  });

  it(
    "TC-068 reads the same text as a plain capture of the same screen, without control characters, whatever stands there",
    async () => {
      await holdsAsync(
        fc.asyncProperty(
          hostileText(() => "canary"),
          async (text) => {
            const look = await pane.redraw(text);
            const plain = (await captureScreens(executor, [pane.paneId])).get(pane.paneId);
            expect(look.lines.map((line) => line.text.trimEnd())).toEqual(
              plain?.map((line) => line.trimEnd()),
            );
            for (const { text: seen, vivid } of look.lines) {
              expect(seen).not.toMatch(/[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
              expect(vivid).not.toMatch(/[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
            }
          },
        ),
        100,
      );
    },
    30_000 * PATIENCE,
  );
});

describe("attributes of a captured line", () => {
  const read = (...lines: string[]) => {
    const reader = new AttributeReader();
    return lines.map((line) => reader.read(line));
  };

  it("are taken out with hyperlinks, other strings, and changes of character set", () => {
    const link = "a\u001b]8;id=1;http://x/?q=[2m\u001b\\link\u001b]8;;\u001b\\b";
    expect(read(link)).toEqual([{ text: "alinkb", vivid: "alinkb" }]);
    expect(read("a\u001b]8;;http://x\u0007link\u001b]8;;\u0007b")[0]?.text).toBe("alinkb");
    expect(read("\u000elqk\u000f|\u001b(0x\u001b(B")[0]?.text).toBe("lqk|x");
    expect(read("a\u001bPdcs\u001b\\b\u001b_apc\u001b\\c")[0]?.text).toBe("abc");
  });

  it.each([
    ["\u001b[2mx", " "],
    ["\u001b[1;2mx", " "],
    ["\u001b[2m\u001b[mx", "x"],
    ["\u001b[2;0mx", "x"],
    ["\u001b[2m\u001b[22mx", "x"],
    ["\u001b[38;5;2mx", "x"],
    ["\u001b[48;5;2;2mx", " "],
    ["\u001b[38;2;1;2;2mx", "x"],
    ["\u001b[38;2;1;2;2;2mx", " "],
    ["\u001b[58;5;2mx", "x"],
    ["\u001b[58;2;2;2;2mx", "x"],
    ["\u001b[38:5:2mx", "x"],
    ["\u001b[38:2::2:2:2mx", "x"],
    ["\u001b[4:2mx", "x"],
    ["\u001b[?2mx", "x"],
    ["\u001b[2Jx", "x"],
    ["\u001b[2m\u001b[?0mx", " "],
  ])("%j leaves %j vivid", (line, vivid) => {
    expect(read(line)).toEqual([{ text: "x", vivid }]);
  });

  it("go on from line to line", () => {
    expect(read("\u001b[2ma", "b", "\u001b[0mc").map(({ vivid }) => vivid)).toEqual([" ", " ", "c"]);
  });

  it("of a line of any length take time by its length", () => {
    for (const piece of ["\u001b", "\u001b[", "\u001b]", "\u001b[0;", "\u001b[2m", ";", "\u001b]8;"]) {
      const begun = performance.now();
      read(piece.repeat(100_000));
      expect([piece, performance.now() - begun < 1_000]).toEqual([piece, true]);
    }
  });
});
