import { describe, expect, it } from "vitest";
import { colored, printable, printableLines, safeJson } from "../../src/client/cli/printable.js";

const HOSTILE: Record<string, [string, string]> = {
  "OSC 52, which writes the clipboard": ["a\u001b]52;c;ZXZpbA==\u0007b", "ab"],
  "OSC 52 with a string terminator": ["a\u001b]52;c;ZXZpbA==\u001b\\b", "ab"],
  "OSC 8, a link that says one thing and opens another": [
    "\u001b]8;;http://evil\u001b\\good\u001b]8;;\u001b\\",
    "good",
  ],
  "OSC without an end": ["a\u001b]0;title", "a"],
  "8-bit OSC": ["a\u009d52;c;x\u009cb", "ab"],
  "DCS, which tmux passes through": ["a\u001bPtmux;\u001b\u001b]52;c;x\u0007\u001b\\b", "ab"],
  "APC, PM and SOS": ["a\u001b_x\u001b\\\u001b^y\u001b\\\u001bXz\u001b\\b", "ab"],
  "CSI 6n, to which the terminal answers": ["a\u001b[6nb", "ab"],
  "8-bit CSI": ["a\u009b31mb", "ab"],
  colours: ["\u001b[1;31mred\u001b[0m", "red"],
  "a reset": ["a\u001bcb", "ab"],
  "a character set": ["a\u001b(0b", "ab"],
  "an escape at the end": ["a\u001b", "a"],
  "right-to-left override": ["user\u202egpj.exe", "usergpj.exe"],
  "isolates and marks": ["a\u2066b\u2069\u200f\u061cc", "abc"],
  "zero-width characters": ["pay\u200bpal\ufeff\u2060", "paypal"],
  "tag characters": ["a\u{e0041}\u{e007f}b", "ab"],
  "bells, backspaces and deletes": ["a\u0007\bb\u007f", "ab"],
  "line breaks and tabs": ["a\r\nb\nc\td\u0085e\u2028f", "a b c d e f"],
  "a lone surrogate": ["a\ud800b", "a\ufffdb"],
};

describe("printable", () => {
  for (const [name, [raw, shown]] of Object.entries(HOSTILE)) {
    it(`makes harmless: ${name}`, () => {
      expect(printable(raw)).toBe(shown);
    });
  }

  it("leaves ordinary text of any script alone", () => {
    const text = "Grüße, 日本語, עברית, emoji 🎉 and `code` $HOME #{x}";
    expect(printable(text)).toBe(text);
  });

  it("gives nothing but printable characters for any text", () => {
    for (let code = 0; code < 0x3000; code += 1) {
      const shown = printable(`${String.fromCharCode(code)}[31m`);
      expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/);
    }
  });

  it("takes no longer than a moment for a hostile text of a megabyte", () => {
    const start = performance.now();
    printable("\u001b]".repeat(500_000));
    printable("\u001b[".repeat(500_000));
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe("colored", () => {
  for (const [name, [raw]] of Object.entries(HOSTILE)) {
    it(`lets nothing but colours through: ${name}`, () => {
      const shown = colored(`\u001b[1m${raw}\u001b[4:3m${raw}`);
      const plain = shown.replaceAll(/\u001b\[[0-9;:]*m/g, "");
      expect(plain).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/);
      expect(shown.startsWith("\u001b[1m")).toBe(true);
      expect(shown.endsWith("\u001b[0m")).toBe(true);
    });
  }

  it("keeps a line without colours as it is", () => {
    expect(colored("plain [31m")).toBe("plain [31m");
  });

  it("takes no longer than a moment for a hostile text of a megabyte", () => {
    const start = performance.now();
    for (const part of ["\u001b[", "\u001b[1;", "\u001b[0m\u001b]"])
      colored(part.repeat(1_000_000 / part.length));
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe("printableLines", () => {
  it("keeps the line breaks of a dialog and nothing else", () => {
    expect(printableLines("Run\r\n\trm -rf \u001b[31mx\u001b[0m?\u0007")).toBe("Run\n    rm -rf x?");
  });
});

describe("safeJson", () => {
  it("writes what a terminal would obey as \\u escapes, and parses back to the same value", () => {
    const value = { name: "a\u009b6n\u202eb\u007f\u{e0041}" };
    const text = safeJson(value);
    expect(text).toMatch(/^[\u0020-\u007e]*$/);
    expect(JSON.parse(text)).toEqual(value);
  });
});
