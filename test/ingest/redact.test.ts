import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ATTRIBUTE_CHARS, cleanLine, looksSecret, opaqueId, redact } from "../../src/server/ingest/redact.js";
import { holds } from "../support/property.js";
import { HARMLESS, SECRETS } from "./secrets.js";

function value(text: string): unknown {
  return redact({ kind: "permission", attributes: { tool: text } }).attributes?.["tool"];
}

/** Text that no filter needs to see: it may stand around a secret. */
const around = fc.string({
  unit: fc.constantFrom("a", "B", "7", " ", "/", ",", "\n", "é", "→"),
  maxLength: 120,
});

describe("TC-011 an attribute's value", () => {
  it.each(SECRETS)("is not stored if it is a secret: %s", (secret) => {
    expect(value(secret)).toBe("[redacted]");
  });

  it.each(HARMLESS)("is stored as it stands if it is none: %s", (text) => {
    expect(value(text)).toBe(text);
  });

  it("never carries a secret, or the beginning of one, wherever it stands in it", () => {
    holds(
      fc.property(fc.constantFrom(...SECRETS), around, around, (secret, before, after) => {
        // A letter right before it could be part of another word.
        const stored = String(value(`${before} ${secret}${after}`));
        if (stored === "[redacted]") return;
        // Past the bound: nothing of it is left.
        const shown = cleanLine(secret, 200);
        expect(stored.includes(shown.slice(-6))).toBe(false);
        expect(stored.endsWith(shown.slice(0, 12))).toBe(false);
      }),
      2_000,
    );
  });

  it("never carries a secret that invisible characters are strewn into", () => {
    const invisible = fc.constantFrom("\u200b", "\u0000", "\u202e", "\ufeff", "\u001b");
    holds(
      fc.property(
        fc.constantFrom(...SECRETS.slice(0, 20)),
        invisible,
        fc.integer({ min: 1, max: 4 }),
        (secret, mark, every) => {
          const strewn = [...secret]
            .map((char, index) => (index % every === 0 ? char + mark : char))
            .join("");
          expect(value(strewn)).toBe("[redacted]");
        },
      ),
      500,
    );
  });

  it("is bounded, well-formed and free of control, bidi and zero-width characters, whatever comes in", () => {
    const hostile = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400, size: "max" }),
      fc.constantFrom("\ud800", "\udc00x", "\u001b]0;owned\u0007", "a\u202eb", "x".repeat(1_000_000)),
    );
    holds(
      fc.property(hostile, (text) => {
        const stored = String(value(text));
        expect(stored.length).toBeLessThanOrEqual(ATTRIBUTE_CHARS);
        expect(stored.isWellFormed()).toBe(true);
        expect(stored).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u,
        );
      }),
      1_000,
    );
  });

  it("is looked through in no time, however it was made to be slow", () => {
    const slow = ["-eyJaaaaaaaaaaaa", "://a:", "password ", "--a-", "-----BEGIN A "].map((part) =>
      part.repeat(60_000),
    );
    const before = performance.now();
    for (const text of slow) value(text);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  it("keeps numbers that are finite, and booleans", () => {
    const attributes = { a: 1.5, b: Number.NaN, c: Number.POSITIVE_INFINITY, d: true };
    expect(redact({ kind: "k", attributes }).attributes).toEqual({ a: 1.5, b: 0, c: 0, d: true });
  });
});

describe("a transition", () => {
  it("has at most 16 attributes with names of 64 characters", () => {
    const many = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`${index}${"n".repeat(100)}`, index]),
    );
    const attributes = redact({ kind: "k".repeat(100), attributes: many }).attributes ?? {};
    expect(Object.keys(attributes)).toHaveLength(16);
    expect(Object.keys(attributes).every((name) => name.length === 64)).toBe(true);
  });
});

describe("an identifier", () => {
  it("stands as it is if it is harmless, and else by its digest", () => {
    for (const text of HARMLESS) expect(opaqueId(text, 128)).toBe(text);
    for (const text of [...SECRETS, "x".repeat(129), "with\u0000nul"]) {
      expect(opaqueId(text, 128)).toMatch(/^[0-9a-f]{64}$/u);
      expect(opaqueId(text, 128)).toBe(opaqueId(text, 128));
    }
    expect(looksSecret(opaqueId("x".repeat(129), 128))).toBe(false);
  });
});
