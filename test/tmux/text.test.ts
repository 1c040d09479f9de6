import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cleanText } from "../../src/server/tmux/text.js";
import { MAX_TITLE, normalizeTitle } from "../../src/server/tmux/title.js";
import { parseTmuxVersion, supportsTmux } from "../../src/server/tmux/version.js";

const UNSAFE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const anyText = fc.oneof(fc.string({ unit: "binary", maxLength: 700 }), fc.string({ maxLength: 700 }));

describe("cleaned text", () => {
  it("is bounded, well-formed and without control characters, whatever came in, and cleaning again changes nothing", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 600 }), (raw, max) => {
        const clean = cleanText(raw, max);
        expect(clean.length).toBeLessThanOrEqual(max);
        expect(clean.isWellFormed()).toBe(true);
        expect(clean).not.toMatch(UNSAFE);
        expect(cleanText(clean, max)).toBe(clean);
      }),
    );
  });

  it("repairs half characters and never makes one", () => {
    expect(cleanText("a\ud83d", 10)).toBe("a\ufffd");
    expect(cleanText("ab🙂", 3)).toBe("ab");
    expect(cleanText("ab🙂", 4)).toBe("ab🙂");
  });
});

describe("a normalised title", () => {
  const marks = [
    "⠋",
    "⠙",
    "⣾",
    "✳",
    "✻",
    "✽",
    "✶",
    "✢",
    "·",
    "◐",
    "◑",
    "◇",
    "✦",
    "✋",
    "⏲",
    "⏲\ufe0f",
    "[ ! ]",
    "[ . ]",
  ];

  it("does not change with the mark in front", () => {
    fc.assert(
      fc.property(fc.constantFrom(...marks), fc.constantFrom(...marks), anyText, (one, other, title) => {
        expect(normalizeTitle(`${one} ${title}`)).toBe(normalizeTitle(`${other} ${title}`));
        expect(normalizeTitle(`${one} ${title}`)).toBe(normalizeTitle(title));
      }),
    );
  });

  it("is bounded, clean, and stays as it is when normalised again", () => {
    fc.assert(
      fc.property(anyText, (raw) => {
        const title = normalizeTitle(raw);
        expect(title.length).toBeLessThanOrEqual(MAX_TITLE);
        expect(title.isWellFormed()).toBe(true);
        expect(title).not.toMatch(UNSAFE);
        expect(normalizeTitle(title)).toBe(title);
      }),
    );
  });

  it.each([
    ["⠋ Mock title | work", "Mock title | work"],
    ["[ ! ] Action Required | Mock title | work", "Action Required | Mock title | work"],
    ["[ . ] Action Required | Mock title | work", "Action Required | Mock title | work"],
    ["✳ Claude Code", "Claude Code"],
    ["◇  Ready (work)", "Ready (work)"],
    ["✋  Action Required (work)", "Action Required (work)"],
    ["* waiting", "waiting"],
    ["[!important] *.ts", "[!important] *.ts"],
    ["a ⠋ b · c", "a ⠋ b · c"],
    ["*", "*"],
    ["⠋", ""],
    ["", ""],
  ])("of %j is %j", (raw, title) => {
    expect(normalizeTitle(raw)).toBe(title);
  });
});

describe("a tmux version", () => {
  it.each([
    ["tmux 3.3a\n", 3, 3, true],
    ["tmux 3.3", 3, 3, true],
    ["3.6b", 3, 6, true],
    ["tmux 3.2a", 3, 2, false],
    ["tmux 2.9", 2, 9, false],
    ["tmux 3.10", 3, 10, true],
    ["tmux 4.0", 4, 0, true],
    ["tmux 3.3-rc2", 3, 3, true],
    ["tmux 3.4-rc", 3, 4, true],
    ["tmux next-3.6", 3, 6, true],
    ["tmux next-3.2", 3, 2, false],
    ["tmux master", 999, 0, true],
    ["tmux openbsd-7.5", 3, 3, true],
    ["tmux openbsd-7.2", 3, 3, true],
    ["tmux openbsd-7.1", 3, 2, false],
  ])("%j is %i.%i, supported: %s", (text, major, minor, supported) => {
    const version = parseTmuxVersion(text);
    expect(version).toEqual({ text: text.trim().replace("tmux ", ""), major, minor });
    expect(version !== undefined && supportsTmux(version)).toBe(supported);
  });

  it.each([
    "",
    "tmux",
    "tmux: unknown option -- V",
    "tmux three",
    "tmux 3.3.3.3",
    "screen 4.09",
    "tmux 99999.1",
  ])("is not read out of %j", (text) => {
    expect(parseTmuxVersion(text)).toBeUndefined();
  });
});
