// What a published JSON schema may become: it may promise more, never less and nothing else.

/** Words for people; they may change at will. */
const ANNOTATIONS = new Set(["title", "description", "$comment", "examples"]);
/** Keywords whose value is one schema per name. Names are data: none of them is a keyword. */
const NAMED = ["properties", "$defs"];
/** Keywords whose value is a list of schemas. */
const LISTS = ["allOf", "anyOf", "oneOf"];
/** Keywords whose value is a schema. A condition (`if`) is none of them: it may not change at all. */
const SINGLE = ["items", "additionalProperties", "then", "else"];

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value) => JSON.stringify(value);

/** `schema` without its annotations, its keys in order, and in order too the lists that are sets. */
export function canonical(schema) {
  if (Array.isArray(schema)) return schema.map(canonical);
  if (!isObject(schema)) return schema;
  const sorted = Object.keys(schema)
    .filter((key) => !ANNOTATIONS.has(key))
    .sort();
  return Object.fromEntries(
    sorted.map((key) => {
      const value = schema[key];
      if (NAMED.includes(key)) return [key, named(value, canonical)];
      if (key === "dependentRequired") return [key, named(value, (names) => [...names].sort())];
      if (key === "required" || key === "enum") return [key, [...value].sort()];
      if (key === "type" && Array.isArray(value)) return [key, [...value].sort()];
      return [key, canonical(value)];
    }),
  );
}

function named(map, change) {
  const names = Object.keys(map).sort();
  return Object.fromEntries(names.map((name) => [name, change(map[name])]));
}

/**
 * Where `current` breaks what `landed` promised, one line each; both are canonical schemas by file name. Empty if it
 * only grew: new files, properties, enum values, required names and constraints are growth.
 */
export function breaches(landed, current) {
  return Object.entries(landed).flatMap(([file, schema]) =>
    current[file] === undefined ? [`${file}: the schema is gone`] : compare(file, schema, current[file]),
  );
}

function compare(at, before, after) {
  if (!isObject(before) || !isObject(after)) {
    return text(before) === text(after) ? [] : [`${at}: was ${text(before)}, is ${text(after)}`];
  }
  return Object.entries(before).flatMap(([keyword, value]) =>
    compareKeyword(`${at}/${keyword}`, keyword, value, after[keyword]),
  );
}

function compareKeyword(at, keyword, before, after) {
  if (after === undefined) return [`${at}: is gone`];
  if (NAMED.includes(keyword)) {
    return Object.entries(before).flatMap(([name, schema]) =>
      after[name] === undefined
        ? [`${at}/${name}: was removed or renamed`]
        : compare(`${at}/${name}`, schema, after[name]),
    );
  }
  if (LISTS.includes(keyword)) {
    // Another alternative is another type; another part of `allOf` only says more.
    const fits = keyword === "allOf" ? after.length >= before.length : after.length === before.length;
    if (!fits) return [`${at}: had ${before.length} parts, has ${after.length}`];
    return before.flatMap((schema, index) => compare(`${at}/${index}`, schema, after[index]));
  }
  if (SINGLE.includes(keyword)) return compare(at, before, after);
  if (keyword === "required") return lost(before, after).map((name) => `${at}: ${name} became optional`);
  if (keyword === "enum") return lost(before, after).map((value) => `${at}: lost the value ${text(value)}`);
  if (keyword === "dependentRequired") {
    return Object.entries(before).flatMap(([name, needs]) =>
      lost(needs, after[name] ?? []).map((other) => `${at}/${name}: ${other} became optional`),
    );
  }
  return text(before) === text(after) ? [] : [`${at}: was ${text(before)}, is ${text(after)}`];
}

function lost(before, after) {
  return before.filter((value) => !after.includes(value));
}
