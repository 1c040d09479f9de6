import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readCodexTitle, splitTitle } from "../../../src/server/adapters/codex/title.js";
import { TitleBeats } from "../../../src/server/adapters/codex/title-beats.js";
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
  it.each([...titles])("%j says %s", (title, state) => {
    const word = WORDS.get(state);
    expect(readCodexTitle(title)?.attributes?.["word"]).toBe(word);
  });

  it("is that of the mark alone; the name behind it may be anything", () => {
    expect(splitTitle("⠋ [ ! ] Action Required | work")).toMatchObject({ word: "turn" });
    expect(splitTitle("fix ⠋ spinner | work")).toMatchObject({ word: "plain" });
    expect(splitTitle("[ ! ] Action Required")).toEqual({ word: "dialog", mark: "[ ! ]", text: "" });
    expect(splitTitle("[ . ] Action Required | Mock title | work").text).toBe("Mock title | work");
    expect(splitTitle("⠙ Mock title | work").text).toBe("Mock title | work");
  });
});

describe("a title that moves", () => {
  function beats() {
    const signals: NativeSignal[] = [];
    let now = 1_000_000_000;
    const feed = new TitleBeats({ now: () => now, emit: (news) => signals.push(...news) });
    const show = (title: string, later = 1_000_000) => {
      now += later;
      const place = { paneId: "%1", agentPid: 1, startRaw: "", argv: [], cwd: "/", agentSessionId: "" };
      const view: RuntimeView = { ...place, runtimeId: "r", title };
      feed.update([view]);
      return signals.length;
    };
    return { show, signals };
  }

  it("is told once of a spinner that was there already, and again as a sign of life", () => {
    const { show, signals } = beats();
    expect(show("⠋ work")).toBe(0);
    expect(show("⠙ work")).toBe(1);
    expect(signals[0]?.transition).toEqual({ kind: "title", attributes: { word: "turn", moving: true } });
    expect(show("⠹ work")).toBe(1);
    expect(show("⠋ work", 60_000_000)).toBe(2);
  });

  it("is never told of one that stands still, nor of a title without a mark", () => {
    const { show } = beats();
    for (let look = 0; look < 100; look += 1) expect(show("⠹ Mock title | work")).toBe(0);
    for (const name of ["a", "b", "c"]) expect(show(`${name} | work`, 60_000_000)).toBe(0);
  });
});
