// Names what failed in the last run of tests, so that the end of a long log says it: one line a test and the first
// lines of why.
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { unhandledFile } from "./unhandled-reporter.mjs";

const LINES = 12;

/** The failures of one run of vitest that failed, as printable lines; never empty. */
export function failures(name) {
  const file = `test-results/${name}.json`;
  if (!existsSync(file)) return [`${name}: no report was written`];
  const outside = unhandledFile(name);
  const unhandled = existsSync(outside) ? JSON.parse(readFileSync(outside, "utf8")) : [];
  const inTests = JSON.parse(readFileSync(file, "utf8")).testResults.flatMap((suite) => {
    const place = relative(process.cwd(), suite.name);
    const failed = suite.assertionResults.filter((test) => test.status === "failed");
    if (failed.length === 0) return suite.status === "failed" ? [`${place}: ${brief(suite.message)}`] : [];
    return failed.map((test) => `${place} > ${test.fullName}\n${brief(test.failureMessages.join("\n"))}`);
  });
  const named = [...inTests, ...unhandled.map((error) => `${name}, outside of any test\n${brief(error)}`)];
  return named.length > 0 ? named : [`${name}: it ended badly, and no test of it failed`];
}

function brief(message) {
  const lines = stripVTControlCharacters(message ?? "").split("\n");
  return lines
    .slice(0, LINES)
    .map((line) => `    ${line.slice(0, 300)}`)
    .join("\n");
}
