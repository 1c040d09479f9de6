// One run of vitest, counted: each test that failed, and each suite, file or stray error that failed by itself. They are
// worded so that the end of a long log says what failed: one line each and the first lines of why.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const REPORTERS = ["default", "json", fileURLToPath(new URL("suite-errors-reporter.mjs", import.meta.url))];
const LINES = 12;

/**
 * Runs vitest on `words` (its arguments) in the folder `cwd` and leaves its reports there in test-results.
 * A run that ended badly never has no failure.
 */
export function runTests(name, words, { env = {}, cwd = process.cwd(), stdio = "inherit" } = {}) {
  const report = join(cwd, `test-results/${name}.json`);
  const suiteErrors = join(cwd, `test-results/${name}.suite-errors.json`);
  for (const old of [report, suiteErrors]) rmSync(old, { force: true });
  const reporters = REPORTERS.flatMap((each) => ["--reporter", each]);
  const { status, error } = spawnSync(
    "vitest",
    ["run", ...reporters, `--outputFile.json=${report}`, ...words],
    {
      cwd,
      stdio,
      env: { ...process.env, ...env, AGTMUX_TEST_SUITE_ERRORS: suiteErrors },
    },
  );
  if (error) throw error;
  const { passed, failed } = inTests(name, report, cwd);
  const failures = [...failed, ...bySuites(suiteErrors, cwd)];
  if (status !== 0 && failures.length === 0)
    failures.push(`${name}: it ended badly, and no test of it failed`);
  return { passed, failures };
}

function inTests(name, report, cwd) {
  if (!existsSync(report)) return { passed: 0, failed: [`${name}: no report was written`] };
  const { numPassedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
  const failed = testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === "failed")
      .map((test) => told(`${relative(cwd, file.name)} > ${test.fullName}`, test.failureMessages.join("\n"))),
  );
  return { passed: numPassedTests, failed };
}

/** What the report counts nowhere, or without its words. */
function bySuites(file, cwd) {
  if (!existsSync(file)) return [];
  return JSON.parse(readFileSync(file, "utf8")).map(({ file, suite, why }) => {
    const place = file === "" ? "outside of any test" : relative(cwd, file);
    return told(suite === "" ? place : `${place} > ${suite}, the suite itself`, why);
  });
}

function told(where, why) {
  const lines = stripVTControlCharacters(why).split("\n").slice(0, LINES);
  return [where, ...lines.map((line) => `    ${line.slice(0, 300)}`)].join("\n");
}
