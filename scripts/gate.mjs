// npm run gate [-- --through PHASE]: the phases of docs/plan.md against what the last test runs proved. An id is green when
// some test that names it passed and none failed; a phase is green when all its ids are, and those of the phases before.
// Fails on any red one up to PHASE (2.5).
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const RESULTS = "test-results";
const { values } = parseArgs({ options: { through: { type: "string", default: "2.5" } } });

/** phase → ids, from the table of docs/plan.md: `| 0 | claim | 001–013, 040 |`. */
function phases() {
  const found = new Map();
  for (const line of readFileSync("docs/plan.md", "utf8").split("\n")) {
    const [, phase, claim, list] = /^\| ([\d.]+) \| ([^|]+) \| ([\d–, ]+) \|$/u.exec(line) ?? [];
    if (phase === undefined) continue;
    const ids = list.split(",").flatMap((part) => {
      const [first, last = first] = part.trim().split("–").map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => `TC-${String(first + at).padStart(3, "0")}`);
    });
    found.set(phase, { claim: claim.trim(), ids });
  }
  return found;
}

/** id → { passed, failed }, over all projects that have run. */
function outcomes() {
  const counts = new Map();
  const files = existsSync(RESULTS) ? readdirSync(RESULTS).filter((name) => name.endsWith(".json")) : [];
  for (const file of files) {
    const { testResults } = JSON.parse(readFileSync(`${RESULTS}/${file}`, "utf8"));
    for (const { fullName, status } of (testResults ?? []).flatMap((each) => each.assertionResults)) {
      for (const id of new Set(fullName.match(/TC-\d{3}/gu))) {
        const count = counts.get(id) ?? { passed: 0, failed: 0 };
        if (status === "passed") count.passed += 1;
        else if (status === "failed") count.failed += 1;
        counts.set(id, count);
      }
    }
  }
  return counts;
}

const all = phases();
if (!all.has(values.through)) {
  console.error(`--through must be one of ${[...all.keys()].join(", ")}`);
  process.exit(2);
}
const counts = outcomes();
if (counts.size === 0) {
  console.error("no test has run: npm test first");
  process.exit(2);
}

let judged = true;
let red = 0;
for (const [phase, { claim, ids }] of all) {
  const open = ids.filter((id) => {
    const { passed, failed } = counts.get(id) ?? { passed: 0, failed: 0 };
    return passed === 0 || failed > 0;
  });
  console.log(`${open.length === 0 ? "green" : "red  "} phase ${phase}: ${claim}`);
  if (open.length > 0) console.log(`      ${open.join(" ")}`);
  if (judged) red += open.length;
  if (phase === values.through) judged = false;
}
console.log(
  `${red === 0 ? "passed" : "failed"}: ${red} promises without a passing test through phase ${values.through}`,
);
process.exit(red === 0 ? 0 : 1);
