import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { splitTitle } from "../../../src/server/adapters/codex/title.js";
import { TitleFeed } from "../../../src/server/adapters/codex/title-feed.js";
import type { NativeSignal, RuntimeView } from "../../../src/server/adapters/contract.js";

const FIXTURES = join(import.meta.dirname, "..", "..", "fixtures", "codex");
const titles = new Map<string, string>(
  Object.entries(JSON.parse(readFileSync(join(FIXTURES, "hooks", "_pane_titles.json"), "utf8"))),
);
const WORDS = new Map([
  ["idle_or_completed", "plain"],
  ["running", "turn"],
  ["waiting_approval", "dialog"],
]);

describe("a title's word", () => {
  it.each([...titles].filter(([title]) => title !== ""))("%j says %s", (title, state) => {
    expect(splitTitle(title).word).toBe(WORDS.get(state));
  });

  it("is that of the mark alone; the name behind it may be anything", () => {
    expect(splitTitle("⠋ [ ! ] Action Required | work")).toMatchObject({ word: "turn" });
    expect(splitTitle("fix ⠋ spinner | work")).toMatchObject({ word: "plain" });
    expect(splitTitle("[ ! ] Action Required")).toEqual({ word: "dialog", mark: "[ ! ]", text: "" });
    expect(splitTitle("[ . ] Action Required | Mock title | work").text).toBe("Mock title | work");
    expect(splitTitle("⠙ Mock title | work").text).toBe("Mock title | work");
  });
});

describe("what is told of titles", () => {
  function feed(heard = false) {
    const told: string[] = [];
    let now = 1_000_000_000;
    const host = {
      now: () => now,
      emit: (signals: readonly NativeSignal[]) => {
        for (const { transition } of signals) {
          const { word, moving } = transition?.attributes ?? {};
          told.push(moving === true ? `${word} moves` : String(word));
        }
      },
      look: async () => {
        told.push("look");
      },
    };
    const titles = new TitleFeed(host, () => heard);
    const show = async (title: string, laterMs = 1_000): Promise<string[]> => {
      now += laterMs * 1_000;
      const place = { paneId: "%1", agentPid: 1, startRaw: "", argv: [], cwd: "/", agentSessionId: "" };
      const view: RuntimeView = { ...place, runtimeId: "r", title };
      const from = told.length;
      titles.update([view]);
      await new Promise((resolve) => setImmediate(resolve));
      return told.slice(from);
    };
    return { show, titles, told };
  }

  it("is each change, with a look at the screen before a turn's end or a dialog", async () => {
    const { show } = feed();
    expect(await show("vm")).toEqual(["plain"]);
    expect(await show("work")).toEqual([]);
    expect(await show("⠋ work")).toEqual(["turn"]);
    expect(await show("[ ! ] Action Required | work")).toEqual(["look", "dialog"]);
    expect(await show("⠋ work")).toEqual(["turn"]);
    expect(await show("work")).toEqual(["look", "plain"]);
    expect(await show("")).toEqual([]);
  });

  it("is once that a spinner which was there already moves, and now and then again", async () => {
    const { show } = feed();
    expect(await show("⠋ work")).toEqual(["turn"]);
    expect(await show("⠙ work")).toEqual(["turn moves"]);
    expect(await show("⠹ work")).toEqual([]);
    expect(await show("⠋ work", 4_000)).toEqual(["turn moves"]);
  });

  it("is a rare sign of life where the app-server is heard", async () => {
    const { show } = feed(true);
    await show("work");
    await show("⠋ work");
    expect(await show("⠙ work", 30_000)).toEqual([]);
    expect(await show("⠋ work", 30_000)).toEqual(["turn moves"]);
  });

  it("is never that one moves which stands still, nor one without a mark", async () => {
    const { show } = feed();
    await show("⠹ Mock title | work");
    for (let look = 0; look < 20; look += 1) expect(await show("⠹ Mock title | work", 10_000)).toEqual([]);
    await show("a | work");
    for (const name of ["b", "c", "d"]) expect(await show(`${name} | work`, 60_000)).toEqual([]);
  });

  it("is not what a title said before it changed again", async () => {
    const { show, titles, told } = feed();
    await show("⠋ work");
    const place = { paneId: "%1", agentPid: 1, startRaw: "", argv: [], cwd: "/", agentSessionId: "" };
    const from = told.length;
    titles.update([{ ...place, runtimeId: "r", title: "work" }]);
    titles.update([{ ...place, runtimeId: "r", title: "⠙ work" }]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(told.slice(from)).toEqual(["look", "turn"]);
  });
});
