import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { field, parsePayload, stringField } from "../../src/server/payload.js";
import { holds } from "../support/property.js";

function parsed(text: string | Uint8Array): { payload: unknown; cut: boolean } {
  return parsePayload(typeof text === "string" ? Buffer.from(text) : text);
}

const whole = JSON.stringify({
  session_id: "s1",
  count: -1.5e3,
  done: true,
  none: null,
  cwd: 'a "quoted" \\ path\n→ 💡',
  tool_input: { command: '"session_id":"planted"' },
  prompt: 'x "},{"session_id":"planted"',
});

describe("a hook's payload", () => {
  it("is read whole if it is whole", () => {
    expect(parsed(whole)).toEqual({ payload: JSON.parse(whole), cut: false });
    expect(parsed(" \n")).toEqual({ payload: {}, cut: false });
  });

  it("that was cut anywhere gives those of its leading fields that are whole, and no other value for any", () => {
    const full = JSON.parse(whole) as Record<string, unknown>; // just made
    const bytes = Buffer.from(whole);
    let most = 0;
    for (let length = 1; length < bytes.length; length++) {
      const { payload, cut } = parsed(bytes.subarray(0, length));
      expect(cut).toBe(true);
      const found = Object.entries(payload as Record<string, unknown>); // leading fields are an object
      for (const [name, value] of found) expect([name, value]).toEqual([name, full[name]]);
      most = Math.max(most, found.length);
    }
    // Up to the first that is no scalar: what stands inside or behind it may be anybody's words.
    expect(most).toBe(5);
  });

  it("cut within a text of a megabyte gives what stands before it, in no time", () => {
    const before = performance.now();
    const { payload } = parsed(`{"session_id":"s1","prompt":"${'\\"'.repeat(500_000)}`);
    expect(payload).toEqual({ session_id: "s1" });
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  it("with thousands of leading fields gives the first 64", () => {
    const many = Array.from({ length: 5_000 }, (_, index) => `"k${index}":${index}`).join(",");
    expect(Object.keys(parsed(`{${many},"cut":"`).payload ?? {})).toHaveLength(64);
  });

  it.each([
    ["nested 100 000 deep", "[".repeat(100_000)],
    ["nested 100 000 deep, and whole", "[".repeat(100_000) + "]".repeat(100_000)],
    ["nested deep in objects", '{"a":'.repeat(50_000)],
    ["no JSON", "<xml/>"],
    ["bytes that are not UTF-8", "\ufffd"],
    ["a number", "42"],
    ["a list", '["session_id"]'],
    ["null", "null"],
    ["an escape that JSON does not know", '{"session_id":"\\x41","cwd":"/w",'],
  ])("that is %s harms nothing", (_name, text) => {
    const { payload } = parsed(text);
    expect(stringField(payload, "session_id")).toBe("");
  });

  it("has only fields of its own: nothing of Object's, and nothing that it plants there", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    for (const text of ["{}", "[]", '"text"', "null"]) {
      for (const name of names) expect(field(parsed(text).payload, name)).toBeUndefined();
    }
    for (const text of [
      '{"__proto__":{"session_id":"planted"}}',
      '{"__proto__":"planted","constructor":null,"cut":"',
      '{"__proto__":null,"cwd":"/w","cut":"',
    ]) {
      expect(stringField(parsed(text).payload, "session_id")).toBe("");
    }
    expect(stringField(parsed('{"__proto__":null,"cwd":"/w","cut":"').payload, "cwd")).toBe("/w");
    expect(Object.hasOwn(Object.prototype, "session_id")).toBe(false);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  it("never throws, whatever its bytes are, and a value of it is a string or nothing", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300, size: "max" }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .tuple(fc.json(), fc.nat())
        .map(([text, at]) => Buffer.from(text).subarray(0, at % (text.length + 1))),
      fc
        .string({ unit: fc.constantFrom('"', "\\", "{", "}", ":", ",", "a", "1", "e", "-", " ") })
        .map((text) => Buffer.from(`{${text}`)),
    );
    holds(
      fc.property(bytes, fc.string(), (given, name) => {
        const { payload } = parsePayload(given);
        expect(typeof stringField(payload, name)).toBe("string");
      }),
      3_000,
    );
  });
});
