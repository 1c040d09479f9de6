import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLAUDE_SCREEN } from "../../../src/server/adapters/claude/screen.js";
import { normalizeDialog, readScreen } from "../../../src/server/adapters/screen-patterns.js";
import { holds } from "../../support/property.js";
import { recordedScreen } from "./story.js";

const DIALOGS = [
  "claude/approve-asking",
  "claude/bad-ask",
  "claude/two-ask1",
  "claude/two-ask2",
  "claude-2/edit-ask",
  "claude-2/two-ask2",
  "claude-5/shell-ask",
  "claude/ask-shown",
  "claude-5/untrusted-dialog",
] as const;

/** What of a screen names its dialog; the prompt id is made of it. */
function identity(lines: readonly string[]): string {
  const reading = readScreen(CLAUDE_SCREEN, lines);
  if (reading?.dialogText === undefined) throw new Error("no dialog is seen");
  return `${reading.rule.id} ${normalizeDialog(reading.dialogText, CLAUDE_SCREEN)}`;
}

const PREFIX = /^(\s*(?:❯ )?)(\d+\. )?/u;

/** The line as a terminal of that width shows it: rulers fill it, words wrap under their own indent, long ones break. */
function wrap(line: string, width: number): string[] {
  const ruler = /^([─╌▔])\1{19,}$/u.exec(line);
  if (ruler?.[1] !== undefined) return [ruler[1].repeat(width)];
  const lead = PREFIX.exec(line)?.[0] ?? "";
  const indent = " ".repeat(lead.length);
  const words = line.slice(lead.length).split(" ");
  const rows: string[] = [];
  let row = lead;
  for (const whole of words) {
    let word = whole;
    const joint = row === lead || row === indent ? "" : " ";
    if (row.length + joint.length + word.length <= width) {
      row += joint + word;
      continue;
    }
    if (row.trim() !== "" && row !== lead) rows.push(row);
    else if (row === lead && lead.trim() !== "") word = lead.trimStart() + word;
    row = indent;
    while (row.length + word.length > width) {
      rows.push(row + word.slice(0, width - row.length));
      word = word.slice(width - row.length);
    }
    row += word;
  }
  rows.push(row);
  return rows;
}

describe.each(DIALOGS)("TC-085 what names the dialog of %s", (path) => {
  const lines = recordedScreen(path);
  const named = identity(lines);

  it("is the same wherever the cursor stands", () => {
    const options = lines.flatMap((line, index) =>
      /^\s*(?:❯ )?(?:\d+\. )?(?:Yes|No|Red|Blue|Type)/u.test(line) ? [index] : [],
    );
    expect(options.length).toBeGreaterThan(1);
    for (const chosen of options) {
      const moved = lines.map((line, index) => {
        if (!options.includes(index)) return line;
        const plain = line.replace("❯ ", "  ");
        return index === chosen ? plain.replace(/^(\s*) {2}(?=\S)/u, "$1❯ ") : plain;
      });
      expect(identity(moved)).toBe(named);
    }
  });

  it("is the same at every width that shows it", () => {
    for (let width = 60; width <= 200; width += 7) {
      expect([width, identity(lines.flatMap((line) => wrap(line, width)))]).toEqual([width, named]);
    }
  });

  it("is the same when the options have other numbers", () => {
    const renumbered = lines.map((line) =>
      line.replace(
        /^(\s*(?:❯ )?)(\d+)\. /u,
        (_, lead: string, number: string) => `${lead}${Number(number) === 1 ? 1 : Number(number) + 3}. `,
      ),
    );
    expect(identity(renumbered)).toBe(named);
  });

  it("is the same while the conversation above scrolls and the lines below are padded", () => {
    const scrolled = ["❯ something else", "", ...lines.slice(1).map((line) => `${line}   `), "", ""];
    expect(identity(scrolled)).toBe(named);
  });

  it("is the same while a timer runs in it", () => {
    const timed = (left: string): string[] =>
      lines.map((line) => (/Esc to cancel/u.test(line) ? `${line} (${left})` : line));
    expect(identity(timed("9s"))).toBe(identity(timed("58 s")));
    expect(identity(timed("1.5s"))).toBe(identity(timed("900ms")));
  });
});

describe("TC-085 what names a dialog", () => {
  it("is another for every other dialog", () => {
    // Both panes were asked the same second question.
    const distinct = DIALOGS.filter((path) => path !== "claude-2/two-ask2");
    const names = distinct.map((path) => identity(recordedScreen(path)));
    expect(new Set(names).size).toBe(distinct.length);
    expect(identity(recordedScreen("claude/two-ask2"))).toBe(identity(recordedScreen("claude-2/two-ask2")));
  });

  it("is the same with a timer that is wrapped between its number and its unit", () => {
    const marked = (hint: string) => `Do you want to proceed?\n1. Yes\n2. No\n${hint}`;
    expect(normalizeDialog(marked(" Esc to cancel · Tab to amend"), CLAUDE_SCREEN)).toBe(
      normalizeDialog(marked(" Esc to cancel"), CLAUDE_SCREEN),
    );
    const quoted = (line: string) =>
      `touch a\n${line}\nDo you want to proceed?\n1. Yes\n2. No\n Esc to cancel`;
    expect(normalizeDialog(quoted("Esc to cancel this"), CLAUDE_SCREEN)).not.toBe(
      normalizeDialog(quoted("Esc to cancel that"), CLAUDE_SCREEN),
    );
    expect(normalizeDialog("Closes in 5\n s", CLAUDE_SCREEN)).toBe(
      normalizeDialog("Closes in 12 s", CLAUDE_SCREEN),
    );
  });

  it("is another when any character of what is asked is another", () => {
    const lines = recordedScreen("claude/approve-asking");
    const named = identity(lines);
    const at = lines.findIndex((line) => /^ touch /u.test(line));
    const command = lines[at] ?? "";
    const place = fc.nat({ max: command.length - 1 }).filter((index) => command[index] !== " ");
    const other = fc.constantFrom(..."abcxyzABC/-.$&;").filter((char) => char !== "");
    holds(
      fc.property(place, other, (index, char) => {
        fc.pre(command[index] !== char);
        const changed = `${command.slice(0, index)}${char}${command.slice(index + 1)}`;
        expect(identity(lines.with(at, changed))).not.toBe(named);
      }),
      300,
    );
  });

  it("is the same at any width, for any words that are asked", () => {
    const word = fc.stringMatching(/^[a-z/.$-]{1,30}$/u);
    const sentence = fc
      .array(word, { minLength: 1, maxLength: 25, size: "max" })
      .map((words) => words.join(" "));
    holds(
      fc.property(sentence, fc.integer({ min: 24, max: 200 }), (asked, width) => {
        const lines = [
          "─".repeat(120),
          ` ${asked}`,
          " Do you want to proceed?",
          " ❯ 1. Yes",
          `   2. No, ${asked}`,
        ];
        const shown = lines.flatMap((line) => wrap(line, width));
        expect(normalizeDialog(shown.join("\n"), CLAUDE_SCREEN)).toBe(
          normalizeDialog(lines.join("\n"), CLAUDE_SCREEN),
        );
      }),
      500,
    );
  });
});
