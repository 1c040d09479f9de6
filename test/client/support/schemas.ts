import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";

export const SCHEMA_FOLDER = join(import.meta.dirname, "..", "..", "..", "schema");

const SUFFIX = ".schema.json";
const URN = "urn:agtmux:schema:1:";

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schemas as they are published, by name (`list-panes`). */
export const published: ReadonlyMap<string, Json> = new Map(
  readdirSync(SCHEMA_FOLDER)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file): [string, Json] => {
      const schema: unknown = JSON.parse(readFileSync(join(SCHEMA_FOLDER, file), "utf8"));
      if (!isObject(schema)) throw new Error(`${file} is no schema`);
      return [file.slice(0, -SUFFIX.length), schema];
    }),
);

/** What the published schemas leave open for later: further properties, and words that only a newer daemon knows. */
export function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (!isObject(schema)) return schema;
  if (schema["$comment"] === "newer daemon") return false;
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] =>
    key === "additionalProperties" && value === true ? [key, false] : [key, closed(value)],
  );
  return Object.fromEntries(entries);
}

function compile(schemas: Iterable<unknown>): Ajv2020 {
  const ajv = new Ajv2020({
    // Parts of a condition name properties of the whole.
    strictTypes: false,
    strictRequired: false,
    allowUnionTypes: true,
    allErrors: true,
    formats: { "date-time": (text: string) => !Number.isNaN(Date.parse(text)) },
  });
  for (const schema of schemas) {
    if (typeof schema !== "boolean" && isObject(schema)) ajv.addSchema(schema);
  }
  return ajv;
}

const strict = compile([...published.values()].map(closed));
const open = compile(published.values());

function complaints(ajv: Ajv2020, name: string, value: unknown): string[] {
  const validate = ajv.getSchema(`${URN}${name}`);
  if (validate === undefined) throw new Error(`there is no schema ${name}`);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    return `${instancePath || "/"} ${message} ${JSON.stringify(params)}`;
  });
}

/** What is wrong with an output of ours, one line each: it has no property that the schema does not know. */
export function strictComplaints(name: string, value: unknown): string[] {
  return complaints(strict, name, value);
}

/** What the published schema, that a minor version may add to, finds wrong. */
export function openComplaints(name: string, value: unknown): string[] {
  return complaints(open, name, value);
}
