import { describe, expect, it } from "vitest";
import { CLAUDE_SCREEN } from "../../src/server/adapters/claude/screen.js";
import { CODEX_SCREEN } from "../../src/server/adapters/codex/screen.js";
import { readInputBox } from "../../src/server/adapters/input-box.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { AttributeReader } from "../../src/server/tmux/attributes.js";
import { isFormatSafe } from "../../src/server/tmux/guard.js";

const FAINT = "\u001b[2m";
const PLAIN = "\u001b[0m";

function lines(...screen: readonly string[]) {
  const reader = new AttributeReader();
  return screen.map((line) => reader.read(line));
}

const ruler = "─".repeat(60);
const claude = (...box: string[]) =>
  lines("● Hello.", ruler, ...box, ruler, "  ⏸ manual mode on · ? for shortcuts");
const codex = (...box: string[]) => lines("• Hello.", "", ...box, "", "  GPT-5.5 medium · /home/dev/work");

describe("TC-027 the input box", () => {
  it("is empty while nothing but faint text stands in it and the cursor is at its start", () => {
    expect(readInputBox(CLAUDE_SCREEN, claude("❯ "), { x: 2, y: 2 })).toEqual({ row: 2, draft: "" });
    expect(readInputBox(CLAUDE_SCREEN, claude(`❯ ${FAINT}Try "edit"${PLAIN}`), { x: 2, y: 2 })?.draft).toBe(
      "",
    );
    const placeholder = `› ${FAINT}Ask Codex to do anything${PLAIN}`;
    expect(readInputBox(CODEX_SCREEN, codex(placeholder), { x: 2, y: 2 })).toEqual({ row: 2, draft: "" });
  });

  it("holds a draft of one or more lines, and one of blanks alone", () => {
    expect(readInputBox(CLAUDE_SCREEN, claude("❯ fix the"), { x: 9, y: 2 })?.draft).toBe("fix the");
    expect(readInputBox(CLAUDE_SCREEN, claude("❯ one", "  two"), { x: 5, y: 3 })?.draft).toBe("one\ntwo");
    expect(readInputBox(CODEX_SCREEN, codex("› ", "", "  far below"), { x: 11, y: 4 })?.draft).toBe(
      "far below",
    );
    expect(readInputBox(CLAUDE_SCREEN, claude("❯    "), { x: 5, y: 2 })?.draft).toBe(" ");
    // The cursor was moved to the start of what was typed.
    expect(readInputBox(CLAUDE_SCREEN, claude("❯ fix"), { x: 2, y: 2 })?.draft).toBe("fix");
  });

  it("is none where what is typed is run as a command, and none on a dialog", () => {
    expect(readInputBox(CODEX_SCREEN, codex("! ls"), { x: 4, y: 2 })).toBeUndefined();
    expect(readInputBox(CLAUDE_SCREEN, claude("! ls"), { x: 4, y: 2 })).toBeUndefined();
    const dialog = lines(
      "  Would you like to run it?",
      "› 1. Yes, proceed (y)",
      "  2. No",
      "  Press enter to confirm",
    );
    expect(readInputBox(CODEX_SCREEN, dialog, { x: 0, y: 0 })).toBeUndefined();
  });

  it("has patterns that may stand in a tmux format", () => {
    for (const { screen, dialog } of new AdapterRegistry().adapters) {
      const { present, absent } = screen.inputBox;
      const { runningLine } = dialog;
      for (const source of [...present, ...absent, ...(runningLine === undefined ? [] : [runningLine])])
        expect([source, isFormatSafe(source)]).toEqual([source, true]);
    }
  });
});
