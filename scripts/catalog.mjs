// docs/test-catalog.md against the tests: every id that the page says is tested must stand in the name of a test of the
// file that it names, and every id in a test's name must stand on the page.
import { existsSync, globSync, readFileSync } from "node:fs";

const PAGE = "docs/test-catalog.md";
const problems = [];
const rows = new Map();
for (const line of readFileSync(PAGE, "utf8").split("\n")) {
  const match = /^\| (TC-\d{3}) \|.*\| ([^|]*) \|$/u.exec(line);
  if (match) rows.set(match[1], match[2].trim());
}

const idsIn = new Map();
for (const file of globSync("test/**/*.test.ts", { exclude: (name) => name === "node_modules" })) {
  for (const [id] of readFileSync(file, "utf8").matchAll(/TC-\d{3}/gu)) {
    idsIn.set(id, [...(idsIn.get(id) ?? []), file]);
  }
}

for (const [id, where] of rows) {
  if (where.startsWith("not yet")) {
    if (idsIn.has(id)) problems.push(`${id} has a test (${idsIn.get(id)[0]}), but the page says "${where}"`);
    continue;
  }
  for (const [, file] of where.matchAll(/`([^`]+)`/gu)) {
    if (!existsSync(file)) problems.push(`${id}: ${file} does not exist`);
    else if (!readFileSync(file, "utf8").includes(id)) problems.push(`${id}: no test in ${file} names it`);
  }
  if (!where.includes("`")) problems.push(`${id}: the page names no file`);
}
for (const id of idsIn.keys())
  if (!rows.has(id)) problems.push(`${id} stands in a test, but not on the page`);

if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
