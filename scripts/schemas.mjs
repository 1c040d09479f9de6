// Compares the schemas of the command line's JSON with the last landed ones, kept in schema/landed.json.
// `node scripts/schemas.mjs --land` takes the present ones as landed, once they are on main. It refuses a breach: who
// means one gives the shape a new schema_version and a new file.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { breaches, canonical } from "./schema-growth.mjs";

const LANDED = "schema/landed.json";

const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const files = globSync("schema/*.schema.json").sort();
const current = Object.fromEntries(files.map((file) => [basename(file), canonical(read(file))]));
const land = process.argv.includes("--land");

if (!existsSync(LANDED) && !land) {
  console.error(`${LANDED} is missing: node scripts/schemas.mjs --land makes it`);
  process.exit(1);
}
const found = existsSync(LANDED) ? breaches(read(LANDED), current) : [];
if (found.length > 0) {
  console.error(found.join("\n"));
  process.exit(1);
}
if (land) {
  writeFileSync(LANDED, `${JSON.stringify(current, undefined, 2)}\n`);
  const { status } = spawnSync("biome", ["format", "--write", LANDED], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  process.exit(status ?? 1);
}
