import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkedBytes, checkedText, MAX_TEXT_BYTES } from "../../src/server/actions/text.js";
import { ContractError } from "../../src/server/contract-error.js";
import { holds } from "../support/property.js";

/** What is sent; what refuses it, in one line. */
function text(given: string): Buffer | string {
  return sent(() => checkedText("text", given));
}

function bytes(given: Uint8Array): Buffer | string {
  return sent(() => checkedBytes("stdin", given));
}

function sent(check: () => Buffer): Buffer | string {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ContractError) || error.codeName !== "E_INVALID_ARGUMENT") throw error;
    return error.message;
  }
}

/** Every control character, by number: C0, DEL and C1. */
const CONTROLS = [
  ...Array.from({ length: 32 }, (_, code) => code),
  0x7f,
  ...Array.from({ length: 32 }, (_, at) => 0x80 + at),
];
const MAY_BE_SENT = new Set([0x09, 0x0a]);

const isControl = (character: string): boolean => {
  const code = character.codePointAt(0) ?? 0;
  return CONTROLS.includes(code) && !MAY_BE_SENT.has(code);
};

describe("TC-027 text that is to be sent", () => {
  it.each(CONTROLS)(
    "is refused with the control character %i in it, wherever it stands, but for newline and tab",
    (code) => {
      const character = String.fromCodePoint(code);
      for (const given of [character, `a${character}b`, `${character}b`, `a${character}`]) {
        const encoded = Buffer.from(given);
        if (MAY_BE_SENT.has(code)) {
          expect([text(given), bytes(encoded)]).toEqual([encoded, encoded]);
        } else {
          const named = `holds the control character 0x${code.toString(16).padStart(2, "0")}; only newline and tab may be sent`;
          expect([text(given), bytes(encoded)]).toEqual([`text: ${named}`, `stdin: ${named}`]);
        }
      }
    },
  );

  it("is kept byte for byte if it has none, and refused if it has one", () => {
    const word = fc.oneof(
      fc.string({ unit: "binary", minLength: 1 }),
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.constantFrom(
        "\n",
        "\t",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\u200b",
        "👩‍👩‍👧",
        "é",
        "#{pane_id}",
        "#(id)",
        "$(id)",
        "`id`",
        "';",
      ),
    );
    holds(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
        const given = words.join("");
        const encoded = Buffer.from(given);
        const good = !Array.from(given).some(isControl);
        for (const made of [text(given), bytes(encoded)]) {
          if (good) expect(made).toEqual(encoded);
          else expect(made).toMatch(/holds the control character/u);
        }
      }),
      1_000,
    );
  });

  it("is refused if it is no UTF-8, and kept with its byte order mark if it is", () => {
    holds(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 16 }), (given) => {
        const decoded = Buffer.from(given).toString("utf8");
        const whole = Buffer.from(decoded).equals(given);
        const made = bytes(given);
        if (!whole) expect(made).toBe("stdin: is not UTF-8");
        else if (Array.from(decoded).some(isControl)) expect(made).toMatch(/control character/u);
        else expect(made).toEqual(Buffer.from(given));
      }),
      1_000,
    );
    const marked = Buffer.from("\ufeffa");
    expect(bytes(marked)).toEqual(marked);
    expect(bytes(Buffer.from([0xed, 0xa0, 0x80]))).toBe("stdin: is not UTF-8");
    expect(bytes(Buffer.from([0xc0, 0x80]))).toBe("stdin: is not UTF-8");
    expect(text("a\ud83d")).toBe("text: holds half a character");
  });

  it("is refused if there is none, and if there is more than a mebibyte", () => {
    expect([text(""), bytes(new Uint8Array())]).toEqual(["text: is empty", "stdin: is empty"]);
    const most = "é".repeat(MAX_TEXT_BYTES / 2);
    expect(text(most)).toHaveLength(MAX_TEXT_BYTES);
    expect([text(`${most}a`), bytes(Buffer.from(`${most}a`))]).toEqual([
      `text: has more than ${MAX_TEXT_BYTES} bytes`,
      `stdin: has more than ${MAX_TEXT_BYTES} bytes`,
    ]);
  });

  it("is not quoted where it is refused", () => {
    expect(text("hunter2\u001b[201~")).not.toContain("hunter2");
    expect(bytes(Buffer.concat([Buffer.from("hunter2"), Buffer.from([0xff])]))).not.toContain("hunter2");
  });
});
