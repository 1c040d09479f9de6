import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLAUDE_SCREEN } from "../../../src/server/adapters/claude/screen.js";
import { readScreen } from "../../../src/server/adapters/screen-patterns.js";
import { FIXTURES, recordedScreen } from "./story.js";

/** What a person sees on each recorded screen; "none" where nothing of Claude Code, or nothing that proves anything. */
const SEEN: Readonly<Record<string, string>> = {
  "claude/00-after-double-ctrl-c": "none",
  "claude/01-start": "ready",
  "claude/01-start-idle": "setup",
  "claude/02-just-sent": "running",
  "claude/03-turn-end": "done",
  "claude/approve-asking": "permission",
  "claude/approve-asking-10s": "permission",
  "claude/approve-end": "done",
  "claude/approve-just-after": "running",
  "claude/ask-answered": "done",
  "claude/ask-esc": "declined",
  "claude/ask-shown": "question",
  "claude/bad-ask": "permission",
  "claude/bad-end": "done",
  "claude/ctrlc-turn-2s": "interrupted",
  "claude/deny-2s": "interrupted",
  "claude/deny-asking": "permission",
  // The recorder's "deny" had been answered with auto mode: the tool ran, and the turn ended.
  "claude/denyesc-2s": "done",
  "claude/echo-end": "done",
  // The file had not been read: no dialog came up.
  "claude/edit-ask": "done",
  "claude/edit-end": "done",
  "claude/esc-0.5s": "interrupted",
  "claude/esc-3s": "interrupted",
  "claude/esc-before": "running",
  "claude/fail400-3s": "api-error",
  "claude/fail400-20s": "api-error",
  "claude/fail401-3s": "retrying",
  "claude/fail401-20s": "retrying",
  "claude/fail401-end": "api-error",
  "claude/p-just-sent": "running",
  "claude/p-turn-end": "done",
  "claude/queue-end": "done",
  "claude/queue-shown": "running",
  "claude/s-start-0.3s": "none",
  "claude/s-start-ready": "setup",
  "claude/slow-3s": "running",
  "claude/slow-8s": "running",
  "claude/slow-end": "done",
  "claude/tool-end": "done",
  // Esc came after the tool's turn had ended.
  "claude/tool-esc-2s": "done",
  "claude/tool-running-3s": "done",
  "claude/tool-running-4s": "done",
  "claude/two-ask1": "permission",
  "claude/two-ask2": "permission",
  "claude/two-end": "done",
  "claude-2/agent-4s": "running",
  "claude-2/agent-10s": "running",
  "claude-2/approve-asking": "permission",
  "claude-2/approve-asking-10s": "permission",
  "claude-2/approve-end": "done",
  "claude-2/approve-just-after": "running",
  "claude-2/ask-esc": "declined",
  // A background agent reported right after /clear, and its turn ended.
  "claude-2/clear": "done",
  // The footer says "Press Ctrl-C again to exit"; the last turn has ended all the same.
  "claude-2/ctrlc1": "done",
  "claude-2/ctrlc2": "none",
  "claude-2/ctrld2": "none",
  "claude-2/deny-2s": "interrupted",
  "claude-2/deny-asking": "permission",
  "claude-2/denyesc-2s": "interrupted",
  "claude-2/edit-ask": "permission",
  "claude-2/edit-end": "done",
  "claude-2/esc-0.5s": "interrupted",
  "claude-2/esc-3s": "interrupted",
  "claude-2/esc-before": "running",
  "claude-2/exit": "none",
  "claude-2/p-just-sent": "running",
  "claude-2/p-turn-end": "done",
  "claude-2/s-start-0.3s": "none",
  "claude-2/s-start-ready": "setup",
  "claude-2/sighup": "none",
  // A killed Claude Code leaves its screen behind; its process is what tells.
  "claude-2/sigkill": "done",
  "claude-2/sigterm": "none",
  "claude-2/tool-end": "done",
  "claude-2/tool-esc-2s": "interrupted",
  "claude-2/tool-running-3s": "running",
  "claude-2/tool-running-4s": "running",
  "claude-2/two-ask1": "permission",
  "claude-2/two-ask2": "permission",
  "claude-2/two-end": "done",
  "claude-3/fail500-3s": "retrying",
  "claude-3/fail500-20s": "retrying",
  "claude-3/fail529-3s": "api-error",
  "claude-3/fail529-20s": "api-error",
  "claude-3/idle-0s": "done",
  "claude-3/idle-75s": "done",
  "claude-3/s-start-0.3s": "none",
  "claude-3/s-start-ready": "setup",
  "claude-4/askwait-80s": "permission",
  "claude-4/denywait-80s": "interrupted",
  "claude-4/escwait-80s": "interrupted",
  "claude-4/p-just-sent": "running",
  "claude-4/p-turn-end": "done",
  "claude-4/s-start-0.3s": "none",
  "claude-4/s-start-ready": "setup",
  "claude-5/after-dialog": "setup",
  "claude-5/clear": "ready",
  "claude-5/compact": "running",
  "claude-5/ctrl-z": "none",
  "claude-5/ctrl-z-fg": "running",
  "claude-5/exit-to-shell": "none",
  // Killed in a shell: as above.
  "claude-5/kill9-in-shell": "done",
  "claude-5/resumed": "setup",
  "claude-5/shell-ask": "permission",
  "claude-5/shell-prompt": "none",
  "claude-5/shell-tool-running": "running",
  "claude-5/shell-turn-end": "done",
  "claude-5/slash-model": "setup",
  "claude-5/untrusted-dialog": "trust",
};

function rule(lines: readonly string[]): string {
  return readScreen(CLAUDE_SCREEN, lines)?.rule.id ?? "none";
}

describe("TC-015 Claude Code's screen", () => {
  it("is judged for every recording there is", () => {
    const folder = join(FIXTURES, "claude", "screens");
    const recorded = readdirSync(folder).flatMap((pane) =>
      readdirSync(join(folder, pane)).map((name) => `${pane}/${name.replace(/\.txt$/u, "")}`),
    );
    expect(recorded.sort()).toEqual(Object.keys(SEEN).sort());
  });

  it.each(Object.entries(SEEN))("%s shows: %s", (path, expected) => {
    expect(rule(recordedScreen(path))).toBe(expected);
  });

  it.each(Object.entries(SEEN).filter(([, seen]) => ["permission", "question", "trust"].includes(seen)))(
    "%s gives the text of its dialog (%s), and nothing from above it",
    (path) => {
      const text = readScreen(CLAUDE_SCREEN, recordedScreen(path))?.dialogText ?? "";
      expect(text).toMatch(/Yes|Red/u);
      expect(text).toMatch(/Esc to cancel/u);
      expect(text).not.toMatch(/● |✻ |Claude Code v/u);
    },
  );
});

const RULER = "─".repeat(120);
const box = (
  above: readonly string[],
  footer = "  ⏸ manual mode on · ? for shortcuts",
  typed = "",
): string[] => [...above, "", RULER, `❯ ${typed}`, RULER, footer];

describe("a screen that only resembles something", () => {
  it.each<[string, string[], string]>([
    [
      "a new prompt under a turn that is done: that turn says nothing any more",
      box(["● Hello.", "", "✻ Worked for 0s · done 10:22 AM", "", "❯ and now this"]),
      "ready",
    ],
    [
      "a new prompt under an interrupted one",
      box(
        ["❯ slow please", "  ⎿ \u00a0Interrupted · What should Claude do instead?", "❯ again"],
        "  ⏸ manual mode on · esc to interrupt",
      ),
      "running",
    ],
    [
      "a footer that is cut off, which may hide that a turn is running",
      box(["● Hello."], "  ⏵⏵ accept edits on (shift+tab to cycle) · esc to int…"),
      "none",
    ],
    [
      "a question about permissions in prose",
      box([
        "● Do you want to proceed?",
        "  1. Yes",
        "  2. No",
        "  Esc to cancel is what the dialog says.",
        "✻ Baked for 2s · done 9:00 AM",
      ]),
      "done",
    ],
    [
      "prose that names the words of a running turn",
      box(["● Press esc to interrupt, then retry.", "✻ Baked for 2s · done 9:00 AM"]),
      "done",
    ],
    ["a draft that names them", box(["✻ Baked for 2s · done 9:00 AM"], undefined, "esc"), "done"],
    [
      "prose that says to log in",
      box(["● Type the words: Please run /login", "", "✻ Baked for 2s · done 9:00 AM"]),
      "done",
    ],
    [
      "an error of an earlier turn",
      box(["● API Error: 500", "❯ again", "● Hello.", "✻ Baked for 2s · done 9:00 AM"]),
      "done",
    ],
    ["a shell", ["$ echo 'esc to interrupt'", "esc to interrupt", "$ "], "none"],
    ["nothing", [], "none"],
    [
      "the transcript, which hides everything",
      [...box(["✻ Baked · done 9"]), "  Showing detailed transcript · ctrl+o to toggle"],
      "transcript",
    ],
  ])("is %s", (_name, lines, expected) => {
    expect(rule(lines)).toBe(expected);
  });
});

describe("the rules", () => {
  it("are read in no time on hostile screens", () => {
    const hostile = [
      "❯ ".repeat(2_000),
      "─".repeat(5_000),
      "· ".repeat(5_000),
      "\u202e".repeat(5_000),
      " ".repeat(9_000),
    ];
    const lines = Array.from({ length: 300 }, (_, index) => hostile[index % hostile.length] ?? "");
    const before = performance.now();
    rule(lines);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  it("have ids of their own, and a reason for every state", () => {
    const ids = CLAUDE_SCREEN.rules.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(CLAUDE_SCREEN.rules.every(({ reason }) => /^[a-z_]+$/u.test(reason))).toBe(true);
  });
});
