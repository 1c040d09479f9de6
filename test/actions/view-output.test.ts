import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { neutralLines } from "../../src/server/actions/neutral-text.js";
import { until } from "../tmux/private-server.js";
import { ActionScene, refusal } from "./support/actor.js";

const ESC = "\u001b";

describe("view-output", () => {
  let actors: ActionScene;

  beforeAll(async () => {
    actors = await ActionScene.start();
  });
  afterAll(() => actors?.close());

  /** A pane without an agent that shows a file's bytes and rests. */
  async function paneWith(name: string, content: string): Promise<string> {
    const { terminal } = actors.scene;
    const path = join(terminal.directory, name);
    writeFileSync(path, content);
    const words = [
      "-d",
      "-x",
      "80",
      "-y",
      "20",
      "-P",
      "-F",
      "#{pane_id}",
      `cat ${path}; printf 'the end'; exec sleep 100000`,
    ];
    terminal.tmux("set-option", "-g", "history-limit", "20000");
    const paneId = terminal.start("new-session", ...words);
    await until("it to be shown", () =>
      terminal.tmux("capture-pane", "-p", "-t", paneId).includes("the end"),
    );
    await actors.scene.untilPane("the pane to be listed", ({ identity }) => identity?.paneId === paneId);
    return paneId;
  }

  const view = async (paneId: string, more: { lines?: number; colors?: boolean } = {}) =>
    actors.client.actions.viewOutput({ target: await actors.target({ paneId }), ...more });

  it("TC-028 gives the last lines, 200 unless asked for others, and says whether there was more", async () => {
    const all = Array.from({ length: 12_000 }, (_, at) => `line ${at}`);
    const paneId = await paneWith("many", `${all.join("\n")}\n`);
    const few = await view(paneId);
    expect(few.lines).toEqual([...all.slice(-199), "the end"]);
    expect(few.truncated).toBe(true);
    const most = await view(paneId, { lines: 10_000 });
    expect(most.lines).toHaveLength(10_000);
    expect([most.lines[0], most.truncated]).toEqual(["line 2001", true]);
    const one = await view(paneId, { lines: 1 });
    expect([one.lines, one.truncated]).toEqual([["the end"], true]);
    for (const lines of [-1, 10_001]) {
      expect((await refusal(view(paneId, { lines }))).codeName).toBe("E_INVALID_ARGUMENT");
    }
    const short = await view(await paneWith("short", "a\n\nb\n"));
    expect([short.lines, short.truncated]).toEqual([["a", "", "b", "the end"], false]);
  });

  it("TC-068 lets no sequence of the pane through, and with colours the colours alone", async () => {
    const hostile = `${ESC}[31mred${ESC}[0m ${ESC}]0;title\u0007 ${ESC}]8;;http://x\u0007link${ESC}]8;;\u0007 ${ESC}P+q\u001b\\ ${ESC}[2J\n`;
    const paneId = await paneWith("hostile", hostile);
    const plain = await view(paneId);
    expect(plain.lines.join("\n")).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/u);
    const coloured = (await view(paneId, { colors: true })).lines.join("\n");
    expect(coloured.replace(/\u001b\[[0-9;:]*m/gu, "")).not.toMatch(
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/u,
    );
  });

  it("TC-068 makes plain whatever stands in a captured line", () => {
    const line = `a${ESC}[1;31mb${ESC}[0m${ESC}]52;c;aGk=\u0007c${ESC}[6n${ESC}Pq#0${ESC}\\d${ESC}c\u009b31me\u202ef`;
    expect(neutralLines([line], false)).toEqual(["abcd31mef"]);
    const [coloured = ""] = neutralLines([line], true);
    expect(coloured).toBe(`a${ESC}[1;31mb${ESC}[0mcd31mef${ESC}[0m`);
  });

  it("TC-022 of a pane that is gone, or has another process, is refused", async () => {
    const paneId = await paneWith("gone", "x\n");
    const target = await actors.target({ paneId });
    actors.scene.tmux("respawn-pane", "-k", "-t", paneId, "exec sleep 100000");
    expect((await refusal(actors.client.actions.viewOutput({ target }))).codeName).toBe("E_RUNTIME_STALE");
    const later = await actors.target({ paneId });
    await actors.gone({ paneId });
    expect((await refusal(actors.client.actions.viewOutput({ target: later }))).codeName).toMatch(
      /^E_(?:REF_NOT_FOUND|RUNTIME_STALE)$/u,
    );
  });
});
