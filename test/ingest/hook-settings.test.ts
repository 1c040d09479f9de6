import fc from "fast-check";
import { parse } from "jsonc-parser";
import { describe, expect, it } from "vitest";
import { HookSettings, wantedHooks } from "../../src/server/ingest/hook-settings.js";
import { JsonTextError } from "../../src/server/ingest/json-text.js";
import { CLAUDE } from "./hook-home.js";
import { type Layout, random, settingsText, words } from "./settings-text.js";

const SCRIPT = "/home/it's me/.local/state/agtmux/hooks/agtmux-hook";
const COMMAND = "'/home/it'\\''s me/.local/state/agtmux/hooks/agtmux-hook' claude Stop";
const WANTED = wantedHooks(CLAUDE, "claude", SCRIPT);

const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");
const text = (settings: HookSettings): string => Buffer.from(settings.bytes()).toString("utf8");
const read = (source: string): HookSettings => HookSettings.parse(bytes(source), SCRIPT);

const handler = fc.record({ type: fc.constant("command"), command: fc.string() });
const group = fc.record(
  { matcher: fc.string(), hooks: fc.array(handler, { maxLength: 2 }) },
  { requiredKeys: ["hooks"] },
);
const events = ["SessionStart", "Stop", "Other", "PreToolUse"];
const hooks = fc.dictionary(
  fc.constantFrom(...events),
  fc.array(fc.oneof(group, fc.jsonValue()), { maxLength: 3 }),
);
const other = fc.dictionary(
  fc.string().filter((key) => key !== "hooks"),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 3 },
);
const settings = fc
  .tuple(other, fc.option(hooks, { nil: undefined }), other)
  .map(([before, own, after]) => ({ ...before, ...(own === undefined ? {} : { hooks: own }), ...after }));
const layout: fc.Arbitrary<Layout> = fc.record({
  indent: fc.constantFrom("", "  ", "    ", "\t"),
  eol: fc.constantFrom("\n", "\r\n"),
  comments: fc.boolean(),
  trailingCommas: fc.boolean(),
  bom: fc.boolean(),
  finalNewline: fc.boolean(),
});
// The parser that the test compares by loses a key of that name; the installer never builds such objects.
const plain = settings.filter((value) => !JSON.stringify(value).includes("__proto__"));
const document = fc.tuple(plain, layout, fc.nat()).map(([drawn, style, seed]) => {
  // As JSON has it: no -0.
  const value: Record<string, unknown> = JSON.parse(JSON.stringify(drawn));
  return { value, source: settingsText(value, style, random(seed)) };
});

/** The value with our groups behind those that are there. */
function expected(value: Record<string, unknown>): unknown {
  const own: unknown = value["hooks"] ?? {};
  const result: Record<string, unknown> = { ...(typeof own === "object" ? own : {}) };
  for (const [event, ours] of WANTED) {
    const there = result[event];
    result[event] = [...(Array.isArray(there) ? there : []), ours];
  }
  return { ...value, hooks: result };
}

describe("our entries in a user's hooks file", () => {
  it("come behind the user's and change no other byte but white space, whatever the file looks like", () => {
    fc.assert(
      fc.property(document, ({ value, source }) => {
        const installed = read(source).withHooks(WANTED);
        expect(parse(text(installed).replace("\uFEFF", ""))).toEqual(expected(value));
        expect(installed.matches(WANTED)).toBe(true);
        expect(text(installed).startsWith("\uFEFF")).toBe(source.startsWith("\uFEFF"));
        const removed = text(installed.withoutHooks(read(source)));
        expect(words(removed)).toBe(words(source));
        // Without knowing what was there, what we emptied goes; nothing else does.
        const left: Record<string, unknown> = parse(
          text(installed.withoutHooks(undefined)).replace("\uFEFF", ""),
        );
        const { hooks: gone, ...kept } = value;
        const { hooks: rest, ...others } = left;
        expect(others).toEqual(kept);
        expect(Object.keys(rest ?? {}).every((event) => Object.keys(gone ?? {}).includes(event))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("are written in the file's own way of laying out lines", () => {
    const source =
      '{\r\n\t"a": 1, // one\r\n\t"hooks": {\r\n\t\t"Stop": [\r\n\t\t\t{"hooks": []} // mine\r\n\t\t]\r\n\t}\r\n}';
    const installed = text(
      read(source).withHooks(new Map([...WANTED].filter(([event]) => event === "Stop"))),
    );
    expect(installed).toBe(
      `{\r\n\t"a": 1, // one\r\n\t"hooks": {\r\n\t\t"Stop": [\r\n\t\t\t{"hooks": []}, // mine\r\n\t\t\t{\r\n\t\t\t\t"hooks": [\r\n\t\t\t\t\t{\r\n\t\t\t\t\t\t"type": "command",\r\n\t\t\t\t\t\t"command": ${JSON.stringify(COMMAND)},\r\n\t\t\t\t\t\t"timeout": 5\r\n\t\t\t\t\t}\r\n\t\t\t\t]\r\n\t\t\t}\r\n\t\t]\r\n\t}\r\n}`,
    );
    expect(text(read(installed).withoutHooks(undefined))).toBe(source);
  });

  it("are the same object again when nothing is to be done", () => {
    const installed = read("{}").withHooks(WANTED);
    expect(installed.withHooks(WANTED)).toBe(installed);
  });

  it("that an older version wrote are changed in their place, and given up where no longer wanted", () => {
    const old = read(`{"hooks": {
      "Stop": [{"hooks": [{"type": "command", "command": ${JSON.stringify(COMMAND)}, "timeout": 60}]}, {"hooks": []}],
      "Gone": [{"matcher": "x", "hooks": []}, {"hooks": [{"type": "command", "command": ${JSON.stringify(COMMAND)}}]}]
    }}`);
    const installed = old.withHooks(WANTED);
    const value: { hooks: Record<string, unknown[]> } = parse(text(installed));
    expect(value.hooks["Stop"]).toEqual([WANTED.get("Stop"), { hooks: [] }]);
    expect(value.hooks["Gone"]).toEqual([{ matcher: "x", hooks: [] }]);
    expect(installed.matches(WANTED)).toBe(true);
  });

  it("that the user moved into a group of their own are taken out of it alone", () => {
    const mixed = read(
      `{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "a"}, {"type": "command", "command": ${JSON.stringify(COMMAND)}}]}]}}`,
    );
    expect(mixed.ours()).toHaveLength(1);
    const value: unknown = parse(text(mixed.withoutHooks(undefined)));
    expect(value).toEqual({ hooks: { Stop: [{ hooks: [{ type: "command", command: "a" }] }] } });
  });

  it("are told from another state directory's and from a command that only looks alike", () => {
    const commands = ["'/other/hooks/agtmux-hook' claude Stop", `${SCRIPT} claude Stop`, `x ${COMMAND}`];
    const list = commands.map((command) => ({ hooks: [{ type: "command", command }] }));
    const found = read(JSON.stringify({ hooks: { Stop: list } }));
    expect(found.ours()).toEqual([]);
    expect(found.strangers()).toEqual(["/other/hooks/agtmux-hook"]);
  });

  it.each([
    ["", "{}"],
    ["\n", "{}"],
  ])("go into an empty file %j", (source) => {
    expect(parse(text(read(source).withHooks(WANTED)))).toEqual(expected({}));
  });

  it.each([
    ["no JSON", '{"a": }', /not JSON .*line 1/u],
    ["no JSON in line 3", '{\n"a": 1,\n"b" 2}', /line 3/u],
    ["only a comment", "// nothing", /not JSON/u],
    ["two documents", "{} {}", /not JSON/u],
    ["a list", "[]", /array, not an object/u],
    ["a string", '"x"', /string, not an object/u],
    ["hooks that are a list", '{"hooks": []}', /"hooks" is no object/u],
    ["an event that is no list", '{"hooks": {"Stop": {}}}', /"hooks.Stop" is no list/u],
    ["hooks twice", '{"hooks": {}, "hooks": {}}', /"hooks" twice/u],
    ["an event twice", '{"hooks": {"Stop": [], "Stop": []}}', /"Stop" twice/u],
    ["nested too deeply", "[".repeat(200_000), /nested too deeply|not JSON/u],
  ])("do not go into a file that is %s", (_name, source, reason) => {
    expect(() => read(source).withHooks(WANTED)).toThrow(JsonTextError);
    expect(() => read(source).withHooks(WANTED)).toThrow(reason);
  });

  it("do not go into a file that is not UTF-8", () => {
    expect(() => HookSettings.parse(Buffer.from([0x7b, 0xff, 0x7d]), SCRIPT)).toThrow(/UTF-8/u);
  });
});
