import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CODEX_SCREEN } from "../../../src/server/adapters/codex/screen.js";
import { readScreen } from "../../../src/server/adapters/screen-patterns.js";

const SCREENS = join(import.meta.dirname, "..", "..", "fixtures", "codex", "screens");

/** What each recorded screen of 0.169.0 must be read as; '' for nothing, which is what streaming shows. */
const EXPECTED: Readonly<Record<string, string>> = {
  "agents-view": "",
  answering: "",
  "approve-asking": "approval waiting_approval/permission_request",
  "approve-end": "done completed/turn_end",
  "ctrl-c-back": "",
  "ctrl-c-menu": "menu waiting_input/dialog_open",
  "deny-2s": "interrupted idle/interrupted",
  done: "done completed/turn_end",
  "edit-ask": "approval waiting_approval/permission_request",
  exit: "",
  fail400: "error error/api_error",
  fail500: "error error/api_error",
  fresh: "fresh idle/fresh",
  "hooks-review": "hooks-review waiting_input/hooks_review",
  interrupted: "interrupted idle/interrupted",
  locked: "locked waiting_input/open_elsewhere",
  "model-menu": "menu waiting_input/dialog_open",
  "narrow-approval": "approval waiting_approval/permission_request",
  "narrow-fail400": "error error/api_error",
  "narrow-fail500": "error error/api_error",
  "narrow-interrupted": "interrupted idle/interrupted",
  "narrow-working": "working running/turn",
  "new-model": "new-model waiting_input/model_choice",
  question: "question waiting_input/question",
  "question-refused": "interrupted idle/interrupted",
  "queue-end": "done completed/turn_end",
  ready: "fresh idle/fresh",
  "shell-mode": "done completed/turn_end",
  streaming: "",
  "tab-queue": "",
  "tool-interrupted": "interrupted idle/interrupted",
  "transcript-closed": "done completed/turn_end",
  "two-ask2": "approval waiting_approval/permission_request",
  working: "working running/turn",
};

function recorded(name: string): string[] {
  return readFileSync(join(SCREENS, `${name}.txt`), "utf8")
    .split("\n")
    .slice(1);
}

function read(lines: readonly string[]): string {
  const rule = readScreen(CODEX_SCREEN, lines)?.rule;
  return rule === undefined ? "" : `${rule.id} ${rule.state}/${rule.reason}`;
}

describe("Codex's screen", () => {
  it("has a stated reading for every recorded one", () => {
    const names = readdirSync(SCREENS).map((file) => file.replace(/\.txt$/u, ""));
    expect(names.sort()).toEqual(Object.keys(EXPECTED).sort());
  });

  it.each(Object.entries(EXPECTED))("%s is read as %j", (name, reading) => {
    expect(read(recorded(name))).toBe(reading);
  });

  it("gives a dialog's whole text, and nothing of the conversation above it", () => {
    const text = readScreen(CODEX_SCREEN, recorded("two-ask2"))?.dialogText ?? "";
    expect(text).toMatch(/^\s*Would you like to run the following command\?/u);
    expect(text).toContain("one.txt");
    expect(text).not.toContain("two.txt");
    expect(readScreen(CODEX_SCREEN, recorded("question"))?.dialogText).toContain("Which colour");
  });

  it("is not taken in by an answer that quotes its words", () => {
    const footer = ["› Ask Codex to do anything", "  GPT-5.5 medium · /work"];
    expect(read(["› say it", "• ■ Conversation interrupted", ...footer])).toBe("");
    expect(read(["› ■ error: x", ...footer])).toBe("");
    expect(read(["• Would you like to run the following command?", "  1. Yes, proceed (y)", ...footer])).toBe(
      "",
    );
    expect(read(["  Worked for 3s • 10:27", "› next", "• I", ...footer])).toBe("");
  });

  it("is not conclusive for a turn, nor for a bare prompt", () => {
    expect(
      CODEX_SCREEN.rules.filter(({ state }) => state === "running").map((rule) => rule.conclusive),
    ).toEqual([false]);
    expect(read(["› Ask Codex to do anything", "  GPT-5.5 medium · /work"])).toBe("");
  });
});
