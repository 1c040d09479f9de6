import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { claudeAdapter } from "../../src/server/adapters/claude/index.js";
import { codexAdapter } from "../../src/server/adapters/codex/index.js";
import type { AnyAdapter } from "../../src/server/adapters/contract.js";
import { chooseOption, readOptions } from "../../src/server/adapters/dialog-options.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { readScreen } from "../../src/server/adapters/screen-patterns.js";
import { recordedScreen } from "./claude/story.js";

const registry = new AdapterRegistry();
function adapter(agentType: string): AnyAdapter {
  const found = registry.find(agentType);
  if (found === undefined) throw new Error(`no adapter for ${agentType}`);
  return found;
}

function codexScreen(name: string): string[] {
  return readFileSync(
    join(import.meta.dirname, "..", "fixtures", "codex", "screens", `${name}.txt`),
    "utf8",
  ).split("\n");
}

/** What approve and deny would press on a screen: the option's number and words. */
function answers(agentType: string, screen: readonly string[]): [string, string] {
  const { dialog, screen: patterns } = adapter(agentType);
  const options = readOptions(readScreen(patterns, screen)?.dialogText ?? "", dialog);
  const pressed = (answer: "approve" | "deny"): string => {
    const option = chooseOption(options, dialog, answer);
    return option === undefined ? "none" : `${option.number} ${option.words}`;
  };
  return [pressed("approve"), pressed("deny")];
}

describe("TC-062 the option that answers a dialog", () => {
  it.each([
    ["claude/approve-asking", "1 Yes", "4 No"],
    ["claude/deny-asking", "1 Yes", "4 No"],
    ["claude-2/two-ask2", "1 Yes", "4 No"],
    ["claude-2/edit-ask", "1 Yes", "3 No"],
    ["claude-5/shell-ask", "1 Yes", "4 No"],
  ])("of Claude Code's recorded %s is chosen by its words, wherever it stands", (name, yes, no) => {
    expect(answers("claude", recordedScreen(name))).toEqual([yes, no]);
  });

  it.each(["claude/ask-shown", "claude-5/untrusted-dialog", "claude/03-turn-end"])(
    "is none on Claude Code's %s, which is no approval",
    (name) => {
      expect(answers("claude", recordedScreen(name))).toEqual(["none", "none"]);
    },
  );

  it.each([
    ["approve-asking", "1 Yes, proceed (y)", "3 No, and tell Codex what to do differently (esc)"],
    ["edit-ask", "1 Yes, proceed (y)", "3 No, and tell Codex what to do differently (esc)"],
    ["narrow-approval", "1 Yes, proceed (y)", "3 No, and tell Codex what to do differently (esc)"],
  ])("of Codex's recorded %s is chosen by its words, wrapped or not", (name, yes, no) => {
    expect(answers("codex", codexScreen(name))).toEqual([yes, no]);
  });

  it("leaves plan mode for the mode that asks each time, and for no other", () => {
    const plan = (yes: string) => ["▔".repeat(40), "   Exit plan mode?", `    ❯ 1. ${yes}`, "      2. No"];
    expect(answers("claude", plan("Yes, and switch to default (ask each time) for this session"))).toEqual([
      "1 Yes, and switch to default (ask each time) for this session",
      "2 No",
    ]);
    expect(answers("claude", plan("Yes, and auto-accept edits"))[0]).toBe("none");
  });

  it("is never one that the dialog quotes", () => {
    const codex = [
      "› run it",
      "",
      "• I will use a tool.",
      "",
      "  Would you like to run the following command?",
      "",
      "  $ touch a",
      "  Would you like to run the following command?",
      "  1. No",
      "  2. Yes, proceed",
      "  echo over",
      "",
      "› 1. Yes, proceed (y)",
      "  2. Yes, and don't ask again for commands that start with `touch` (p)",
      "  3. No, and tell Codex what to do differently (esc)",
      "",
      "  Press enter to confirm or esc to cancel",
    ];
    expect(answers("codex", codex)).toEqual(["none", "none"]);
    const read = readScreen(codexAdapter.screen, codex);
    // All of it is shown to who decides, the quoted question among it.
    expect(read?.dialogText?.split("\n")).toEqual(codex.slice(4).filter((line) => line !== ""));
    const claude = [
      "─".repeat(60),
      " Bash command",
      "╌".repeat(60),
      " │ touch a",
      " │   Do you want to proceed?",
      " │   1. No",
      " │   2. Yes",
      "╌".repeat(60),
      " Do you want to proceed?",
      " ❯ 1. Yes",
      "   2. Yes, and don't ask again for touch a, Do you, 1. No, and 2. Yes commands in",
      "      /home/dev/work",
      "   3. Yes, and switch to auto mode",
      "   4. No",
      " Esc to cancel · Tab to amend",
    ];
    expect(answers("claude", claude)).toEqual(["1 Yes", "4 No"]);
  });

  it("is none while two options say it, or the numbers have gaps", () => {
    const { dialog } = claudeAdapter;
    const options = (...lines: string[]) =>
      readOptions(["Do you want to proceed?", ...lines].join("\n"), dialog);
    expect(chooseOption(options("1. Yes", "2. Yes", "3. No"), dialog, "approve")).toBeUndefined();
    expect(options("1. Yes", "3. No")).toEqual([]);
    expect(options("2. Yes", "3. No")).toEqual([]);
    expect(readOptions("1. Yes\n2. No", dialog)).toEqual([]);
  });
});

describe("TC-062 what only reads like a dialog", () => {
  it("is prose as long as the input box stands below it", () => {
    const prose = [
      "› what would you ask?",
      "",
      "• Would you like to run the following command?",
      "",
      "  Would you like to run the following command?",
      "  $ ls",
      "  1. Yes, proceed (y)",
      "  Press enter to confirm or esc to cancel",
      "",
      "› Ask Codex to do anything",
      "",
      "  GPT-5.5 medium · /home/dev/work",
    ];
    expect(readScreen(codexAdapter.screen, prose)?.rule.id).toBeUndefined();
    const claude = [
      "─".repeat(60),
      " Do you want to proceed?",
      " ❯ 1. Yes",
      "   2. No",
      " Esc to cancel · Tab to amend",
      "─".repeat(60),
      "❯ ",
      "─".repeat(60),
      "  ⏸ manual mode on · ? for shortcuts",
    ];
    expect(readScreen(claudeAdapter.screen, claude)?.rule.id).toBe("ready");
  });

  it("says that its beginning is not on the screen", () => {
    const whole = codexScreen("approve-asking");
    const start = whole.findIndex((line) => line.includes("Would you like to"));
    expect(readScreen(codexAdapter.screen, whole)?.cut).toBe(false);
    expect(readScreen(codexAdapter.screen, whole.slice(start))?.cut).toBe(true);
    const claude = recordedScreen("claude/approve-asking");
    const ruler = claude.findLastIndex((line) => /^─{20}/u.test(line));
    expect(readScreen(claudeAdapter.screen, claude)?.cut).toBe(false);
    expect(readScreen(claudeAdapter.screen, claude.slice(ruler + 1))?.cut).toBe(true);
  });
});
