// Names what failed in the last run of tests, so that the end of a long log says it: one line a test and the first
// lines of why.
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

const LINES = 12;

/** The failures of one report of vitest, as printable lines; empty where there is no report. */
export function failures(name) {
  const file = `test-results/${name}.json`;
  if (!existsSync(file)) return [`${name}: no report was written`];
  return JSON.parse(readFileSync(file, "utf8")).testResults.flatMap((suite) => {
    const place = relative(process.cwd(), suite.name);
    const failed = suite.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return suite.status === "failed" ? [`${place}: ${brief(suite.message)}`] : [];
    return failed.map((test) => `${place} > ${test.fullName}\n${brief(test.failureMessages.join("\n"))}`);
  });
}

function brief(message) {
  const lines = stripVTControlCharacters(message ?? "").split("\n");
  return lines
    .slice(0, LINES)
    .map((line) => `    ${line.slice(0, 300)}`)
    .join("\n");
}
