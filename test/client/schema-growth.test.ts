import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { breaches, canonical } from "../../scripts/schema-growth.mjs";

const ROOT = join(import.meta.dirname, "..", "..");

/** A schema with one of everything that ours have. */
const LANDED = {
  $id: "urn:x",
  type: "object",
  properties: {
    name: { type: "string" },
    state: { enum: ["idle", "running"] },
    size: { type: ["integer", "string"] },
    time: { type: "string", pattern: "^[0-9]+$" },
    version: { const: 1 },
    items: { type: "array", items: { type: "object", properties: { title: { type: "string" } } } },
    counts: { type: "object", additionalProperties: { type: "integer" } },
    other: { $ref: "#/$defs/thing" },
    word: { anyOf: [{ enum: ["a"] }, { const: "" }] },
  },
  required: ["name", "state"],
  dependentRequired: { size: ["time", "name"] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  allOf: [{ if: { properties: { name: { const: "x" } } }, then: { required: ["size"] } }],
  additionalProperties: true,
  $defs: { thing: { type: "object", properties: { key: { type: "string" } }, required: ["key"] } },
};

type Landed = typeof LANDED;
// Each case writes into its own copy whatever it likes.
// biome-ignore lint/suspicious/noExplicitAny: a case may turn any part into anything
type Loose = any;

function changed(change: (schema: Loose) => void): string[] {
  const copy: Loose = structuredClone(LANDED);
  change(copy);
  return breaches({ "a.json": canonical(LANDED) }, { "a.json": canonical(copy) });
}

const BREACHES: readonly [string, (schema: Loose) => void, string][] = [
  ["a property that is removed", (s) => delete s.properties.name, "/properties/name: was removed"],
  [
    "a property that is renamed",
    (s) => {
      s.properties.title = s.properties.name;
      delete s.properties.name;
    },
    "/properties/name: was removed or renamed",
  ],
  [
    "a property of an item that is removed",
    (s) => delete s.properties.items.items.properties.title,
    "/items/items/properties/title: was removed",
  ],
  [
    "a property of a shared shape that is removed",
    (s) => delete s.$defs.thing.properties.key,
    "/$defs/thing/properties/key: was removed",
  ],
  ["a shared shape that is removed", (s) => delete s.$defs.thing, "/$defs/thing: was removed"],
  ["another type", (s) => (s.properties.name.type = "integer"), '/name/type: was "string", is "integer"'],
  ["a further type", (s) => (s.properties.name.type = ["string", "null"]), "/name/type: was"],
  ["a type that is left out", (s) => delete s.properties.name.type, "/name/type: is gone"],
  ["another type of the items", (s) => (s.properties.items.items.type = "string"), "/items/items/type: was"],
  [
    "another type of a map's values",
    (s) => (s.properties.counts.additionalProperties.type = "string"),
    "/counts/additionalProperties/type: was",
  ],
  ["another reference", (s) => (s.properties.other.$ref = "#/$defs/else"), "/other/$ref: was"],
  ["another constant", (s) => (s.properties.version.const = 2), "/version/const: was 1, is 2"],
  ["another form of a text", (s) => (s.properties.time.pattern = ".*"), "/time/pattern: was"],
  ["a form of a text that is left out", (s) => delete s.properties.time.pattern, "/time/pattern: is gone"],
  [
    "an enum that loses a value",
    (s) => s.properties.state.enum.pop(),
    '/state/enum: lost the value "running"',
  ],
  ["an enum that is left out", (s) => delete s.properties.state.enum, "/state/enum: is gone"],
  ["a further alternative", (s) => s.properties.word.anyOf.push({ type: "integer" }), "/word/anyOf: had 2"],
  ["an alternative that is lost", (s) => s.properties.word.anyOf.pop(), "/word/anyOf: had 2 parts, has 1"],
  ["a required property that becomes optional", (s) => s.required.pop(), "/required: state became optional"],
  ["nothing required any more", (s) => delete s.required, "/required: is gone"],
  [
    "a dependent property that becomes optional",
    (s) => s.dependentRequired.size.pop(),
    "/dependentRequired/size: name became optional",
  ],
  ["another condition", (s) => (s.allOf[0].if.properties.name.const = "y"), "/allOf/0/if: was"],
  ["a rule that is lost", (s) => s.allOf.pop(), "/allOf: had 1 parts, has 0"],
  ["a rule that asks for less", (s) => s.allOf[0].then.required.pop(), "size became optional"],
  ["no room for growth any more", (s) => (s.additionalProperties = false), "/additionalProperties: was true"],
  ["another name", (s) => (s.$id = "urn:y"), "/$id: was"],
];

const GROWTH: readonly [string, (schema: Loose) => void][] = [
  ["nothing", () => undefined],
  ["a further property", (s) => (s.properties.more = { type: "string" })],
  ["a further property that is required", (s) => (s.properties.more = s.required.push("more") && {})],
  ["a further value of an enum", (s) => s.properties.state.enum.push("unknown")],
  ["an optional property that becomes required", (s) => s.required.push("size")],
  ["a further shared shape", (s) => (s.$defs.more = { type: "string" })],
  ["a further rule", (s) => s.allOf.push({ required: ["name"] })],
  ["a narrower text", (s) => (s.properties.name.pattern = "^a")],
  ["another order of names", (s) => s.required.reverse()],
  ["other words for people", (s) => (s.properties.name.description = "The name.")],
];

describe("TC-035 TC-045 what becomes of a schema that has landed", () => {
  it.each(BREACHES)("%s is a breach", (_what, change, says) => {
    expect(changed(change)).toEqual([expect.stringContaining(says)]);
  });

  it("a file that vanishes is a breach, and a further one is not", () => {
    expect(breaches({ "a.json": LANDED }, {})).toEqual(["a.json: the schema is gone"]);
    expect(breaches({ "a.json": LANDED }, { "a.json": LANDED, "b.json": LANDED })).toEqual([]);
  });

  it.each(GROWTH)("%s is growth", (_what, change) => {
    expect(changed(change)).toEqual([]);
  });

  it("a property may have any keyword's name", () => {
    const before: Pick<Landed, "type"> & Loose = {
      type: "object",
      properties: { required: { type: "string" }, title: { type: "string" }, enum: { type: "string" } },
    };
    const other = structuredClone(before);
    other.properties.title.type = "integer";
    const found = breaches({ "a.json": canonical(before) }, { "a.json": canonical(other) });
    expect(found).toEqual([expect.stringContaining("/properties/title/type: was")]);
  });
});

describe("TC-035 TC-045 the check of the tree", () => {
  let copy: string;
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), "agtmux-schemas-"));
    for (const name of ["schema", "scripts", "package.json", "biome.json", ".gitignore"])
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  });
  afterEach(() => rmSync(copy, { recursive: true, force: true }));

  const check = (...words: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/schemas.mjs", ...words], {
      cwd: copy,
      encoding: "utf8",
      env: { PATH: join(ROOT, "node_modules", ".bin") },
    });
    return { status, stderr };
  };
  const edit = (file: string, change: (schema: Loose) => void) => {
    const path = join(copy, "schema", file);
    const schema: Loose = JSON.parse(readFileSync(path, "utf8"));
    change(schema);
    writeFileSync(path, JSON.stringify(schema));
  };

  it("passes as it is, fails on a breach, and does not land one", () => {
    expect(check()).toEqual({ status: 0, stderr: "" });
    edit("watch.schema.json", (schema) => delete schema.properties.cursor);
    const failed = {
      status: 1,
      stderr: "watch.schema.json/properties/cursor: was removed or renamed\n",
    };
    expect(check()).toEqual(failed);
    expect(check("--land")).toEqual(failed);
    expect(check()).toEqual(failed);
  });

  it("lands growth, from when on it may not go again", () => {
    edit("error.schema.json", (schema) => (schema.properties.more = { type: "string" }));
    expect(check("--land")).toEqual({ status: 0, stderr: "" });
    edit("error.schema.json", (schema) => delete schema.properties.more);
    expect(check().stderr).toContain("error.schema.json/properties/more: was removed");
  });

  it("fails when a schema file or the landed ones are gone", () => {
    rmSync(join(copy, "schema", "error.schema.json"));
    expect(check()).toEqual({ status: 1, stderr: "error.schema.json: the schema is gone\n" });
    rmSync(join(copy, "schema", "landed.json"));
    expect(check().stderr).toContain("schema/landed.json is missing");
  });
});
