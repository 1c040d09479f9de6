/** Begins every canary; nothing else in the world does. */
const PREFIX = "CNRY7f3aQ";
const CANARY = new RegExp(`${PREFIX}([0-9]+)Z`, "gu");

/** Hands out words that occur nowhere else, and remembers what each stands for. */
export class Canaries {
  readonly #planted: string[] = [];

  get count(): number {
    return this.#planted.length;
  }

  /** A new canary: one word of letters and digits. `what` is what a test says when it is found. */
  plant(what: string): string {
    this.#planted.push(what);
    return `${PREFIX}${this.#planted.length - 1}Z`;
  }

  /** A copy of `payload` with canaries in its texts: as `how` says by the field's name, instead of it or behind it. */
  inTexts(payload: unknown, how: (field: string) => "instead" | "behind" | "leave", field = ""): unknown {
    if (typeof payload === "string") {
      const where = how(field);
      if (where === "leave") return payload;
      const canary = this.plant(field);
      return where === "instead" ? canary : `${payload} ${canary}`;
    }
    if (Array.isArray(payload)) return payload.map((entry) => this.inTexts(entry, how, field));
    if (payload === null || typeof payload !== "object") return payload;
    const planted = Object.entries(payload).map(([name, value]) => [name, this.inTexts(value, how, name)]);
    return Object.fromEntries(planted);
  }

  /** What the canaries among these bytes stand for, in whatever form they are there; each once, sorted. */
  foundIn(bytes: Buffer): string[] {
    const found = new Set<string>();
    for (const [, index] of bytes.toString("latin1").matchAll(CANARY)) {
      found.add(this.#planted[Number(index)] ?? "a canary of nobody");
    }
    for (const form of HIDING.foundIn(bytes)) if (!form.endsWith("as it is")) found.add(form);
    return [...found].sort();
  }
}

/** A text in the forms in which it might hide among bytes. */
export function encodings(text: string): { form: string; needle: Buffer }[] {
  const utf8 = Buffer.from(text);
  const escaped = JSON.stringify(text).slice(1, -1);
  const forms = [
    { form: "as it is", needle: utf8 },
    ...(escaped === text ? [] : [{ form: "in a JSON string", needle: Buffer.from(escaped) }]),
    { form: "as UTF-16", needle: Buffer.from(text, "utf16le") },
    { form: "as big-endian UTF-16", needle: Buffer.from(text, "utf16le").swap16() },
    { form: "as hex", needle: Buffer.from(utf8.toString("hex")) },
  ];
  // Base64 depends on where in a group of three bytes the text begins; the characters at its ends on its neighbours.
  for (const offset of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(offset), utf8])
      .toString("base64")
      .replace(/=+$/u, "");
    const inner = whole.slice(offset === 0 ? 0 : offset + 1, -1);
    if (inner.length >= 8) forms.push({ form: "in base64", needle: Buffer.from(inner) });
  }
  return forms;
}

/** Looks for many texts in one pass, each in every form of `encodings`. */
export class Needles {
  /** By their first two bytes. */
  readonly #byStart = new Map<number, { readonly needle: Buffer; readonly what: string }[]>();
  readonly #starts = new Uint8Array(65_536);

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      for (const { form, needle } of encodings(text)) {
        const start = needle.readUInt16BE(0);
        this.#starts[start] = 1;
        this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), { needle, what: `${text} ${form}` }]);
      }
    }
  }

  /** Each text that is among the bytes, with the form in which it is. */
  foundIn(bytes: Buffer): Set<string> {
    const found = new Set<string>();
    let start = 0;
    for (let at = 0; at < bytes.length; at++) {
      start = ((start << 8) | (bytes[at] ?? 0)) & 0xffff;
      if (this.#starts[start] === 0 || at === 0) continue;
      for (const { needle, what } of this.#byStart.get(start) ?? []) {
        const end = Math.min(at - 1 + needle.length, bytes.length);
        if (needle.compare(bytes, at - 1, end) === 0) found.add(what);
      }
    }
    return found;
  }
}

/** Finds canaries in other forms than they were planted in. */
const HIDING = new Needles([PREFIX]);
