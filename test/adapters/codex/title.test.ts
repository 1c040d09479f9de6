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
  it.each([...titles].filter(([title]) => title !== ""))("%j says %s", (title, state) => {
    expect(readCodexTitle(title)?.attributes?.["word"]).toBe(WORDS.get(state));
  });

  it("is none for the empty title that an exit leaves", () => {
    expect(readCodexTitle("")).toBeUndefined();
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
  function beats(heard: boolean) {
    const told: string[] = [];
    let now = 1_000_000_000;
    const emit = (signals: readonly NativeSignal[]): void => {
      for (const { transition } of signals) {
        expect(transition?.attributes?.["moving"]).toBe(true);
        told.push(String(transition?.attributes?.["word"]));
      }
    };
    const feed = new TitleBeats({ now: () => now, emit }, () => heard);
    return (title: string, laterMs = 1_000): string[] => {
      now += laterMs * 1_000;
      const place = { paneId: "%1", agentPid: 1, startRaw: "", argv: [], cwd: "/", agentSessionId: "" };
      const view: RuntimeView = { ...place, runtimeId: "r", title };
      told.length = 0;
      feed.update([view]);
      return [...told];
    };
  }

  it("is told at once of one that was there already, and now and then again", () => {
    const show = beats(false);
    expect(show("⠋ work")).toEqual([]);
    expect(show("⠙ work")).toEqual(["turn"]);
    expect(show("⠹ work")).toEqual([]);
    expect(show("⠋ work", 4_000)).toEqual(["turn"]);
  });

  it("is told of a dialog's mark as well, and of a change only after a while", () => {
    const show = beats(false);
    show("⠋ work");
    expect(show("[ ! ] Action Required | work")).toEqual([]);
    expect(show("[ . ] Action Required | work")).toEqual([]);
    expect(show("[ ! ] Action Required | work", 4_000)).toEqual(["dialog"]);
  });

  it("is a rare sign of life where the app-server is heard", () => {
    const show = beats(true);
    show("work");
    show("⠋ work");
    expect(show("⠙ work", 30_000)).toEqual([]);
    expect(show("⠋ work", 30_000)).toEqual(["turn"]);
  });

  it("is never told of one that stands still, nor of a title without a mark", () => {
    const show = beats(false);
    for (let look = 0; look < 20; look += 1) expect(show("⠹ Mock title | work", 10_000)).toEqual([]);
    for (const name of ["a", "b", "c"]) expect(show(`${name} | work`, 60_000)).toEqual([]);
  });
});
