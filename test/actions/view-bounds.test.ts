import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { neutralLines } from "../../src/server/actions/neutral-text.js";
import type { Executor } from "../../src/server/targets/executor.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { holdsAsync, PATIENCE } from "../support/property.js";
import { hostileText } from "../tmux/hostile-text.js";
import { createPrivateServer, type PrivateServer, until } from "../tmux/private-server.js";
import { ScreenPane } from "../tmux/screen-pane.js";
import { ActionScene } from "./support/actor.js";

const ESC = "\u001b";
const COLOURS = /\u001b\[[0-9;:]*m/gu;
const CONTROL = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

describe("lines of a pane made neutral", () => {
  let server: PrivateServer;
  let executor: Executor;
  let original: ScreenPane;
  let copy: ScreenPane;

  beforeAll(async () => {
    server = createPrivateServer();
    executor = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
    const size = ["-d", "-x", "60", "-y", "8"];
    original = await ScreenPane.open(server, executor, "new-session", ...size);
    copy = await ScreenPane.open(server, executor, "new-session", ...size);
  });
  afterAll(async () => {
    original.close();
    copy.close();
    await executor.close();
    server.dispose();
  });

  /** As tmux tells a pane's first lines, with their attributes. */
  const capture = async ({ paneId }: ScreenPane): Promise<string[]> => {
    const { stdout } = await executor.run(["capture-pane", "-p", "-e", "-t", paneId]);
    return stdout.split("\n").slice(0, 7);
  };

  it(
    "TC-068 hold nothing but text, and with colours nothing but text and colours, whatever the pane shows",
    async () => {
      await holdsAsync(
        fc.asyncProperty(
          hostileText(() => "canary"),
          async (text) => {
            await original.redraw(text);
            const captured = await capture(original);
            const plain = neutralLines(captured, false);
            const coloured = neutralLines(captured, true);
            expect(plain.join("")).not.toMatch(CONTROL);
            expect(coloured.join("").replace(COLOURS, "")).not.toMatch(CONTROL);
            // Colours or not, it is the same text.
            expect(coloured.map((line) => line.replace(COLOURS, ""))).toEqual(plain);
            for (const line of coloured.filter((each) => each.includes(ESC)))
              expect(line.endsWith(`${ESC}[0m`)).toBe(true);
          },
        ),
        100,
      );
    },
    30_000 * PATIENCE,
  );

  it(
    "look on another terminal as they look in the pane, each line by itself",
    async () => {
      const number = fc.integer({ min: 0, max: 255 });
      const code = fc.oneof(
        fc.constantFrom("0", "1", "2", "3", "4", "7", "9", "22", "23", "24", "27", "39", "49", "4:3"),
        fc.constantFrom("31", "97", "42", "107"),
        number.map((colour) => `38;5;${colour}`),
        number.map((colour) => `48;5;${colour}`),
        fc.tuple(number, number, number).map((colours) => `38;2;${colours.join(";")}`),
        number.map((colour) => `58;5;${colour}`),
      );
      const piece = fc.oneof(
        fc.array(code, { minLength: 1, maxLength: 3 }).map((codes) => `${ESC}[${codes.join(";")}m`),
        fc.constantFrom("word ", "漢字 ", "\r\n", "x"),
      );
      await holdsAsync(
        fc.asyncProperty(fc.array(piece, { minLength: 2, maxLength: 20 }), async (pieces) => {
          await original.redraw(pieces.join(""));
          const captured = await capture(original);
          const lines = neutralLines(captured, true);
          // From the last line to the first: none leans on the one above it.
          const drawn = lines.map((line, row) => `${ESC}[${row + 1};1H${line}`).reverse();
          await copy.redraw(drawn.join(""));
          expect(await capture(copy)).toEqual(captured);
        }),
        100,
      );
    },
    30_000 * PATIENCE,
  );
});

describe("TC-028 view-output", () => {
  let actors: ActionScene;
  beforeAll(async () => {
    actors = await ActionScene.start();
  });
  afterAll(() => actors?.close());

  it("of lines too wide and too colourful to be told gives the last of them, and says that there was more", async () => {
    const { terminal } = actors.scene;
    const cell = `${ESC}[38;2;101;102;103;48;2;104;105;106mx${ESC}[38;2;201;202;203;48;2;204;205;206my`;
    const path = join(terminal.directory, "wide");
    const rows = Array.from({ length: 2_000 }, (_, row) => `${cell.repeat(225)}${ESC}[0m ${row}\n`);
    writeFileSync(path, rows.join(""));
    terminal.start("start-server", ";", "set-option", "-g", "history-limit", "5000");
    const words = ["-d", "-x", "460", "-y", "20", "-P", "-F", "#{pane_id}"];
    const paneId = terminal.tmux("new-session", ...words, `cat ${path}; printf 'the end'; exec sleep 100000`);
    await until("it to be shown", () =>
      terminal.tmux("capture-pane", "-p", "-t", paneId).includes("the end"),
    );
    await actors.scene.untilPane("the pane to be listed", ({ identity }) => identity?.paneId === paneId);
    const view = async (lines: number, colors: boolean) =>
      actors.client.actions.viewOutput({ target: await actors.target({ paneId }), lines, colors });

    const coloured = await view(2_000, true);
    const count = coloured.lines.length;
    expect(count).toBeGreaterThan(200);
    expect(count).toBeLessThan(1_500);
    expect(coloured.truncated).toBe(true);
    expect(coloured.lines.at(-1)).toBe("the end");
    const text = coloured.lines.map((line) => line.replace(COLOURS, ""));
    expect(text[0]).toBe(`${"xy".repeat(225)} ${2_001 - count}`);
    // Without colours all of them fit.
    const plain = await view(2_000, false);
    expect([plain.lines.length, plain.truncated]).toEqual([2_000, true]);
    expect(plain.lines[0]).toBe(`${"xy".repeat(225)} 1`);
    const all = await view(2_001, false);
    expect([all.lines.length, all.truncated]).toEqual([2_001, false]);
  }, 60_000);
});
