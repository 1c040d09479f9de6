// The whole test run: what it needs, the tests by themselves, then the tests with the real agents, one file
// at a time. The last line sums up what really ran. AGTMUX_SKIP_AGENTS=1 leaves the real agents out. With --nightly, the
// tests that grow with time, grown: more cases, more kills, a larger database.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { failures } from "./failures.mjs";
import { unhandledFile } from "./unhandled-reporter.mjs";

const AGENTS = "test/e2e/agents";
const NIGHTLY = {
  folders: [
    "engine",
    "ingest",
    "replay",
    "store",
    "watch",
    "robustness",
    "daemon/ssh-target.test.ts",
    "daemon/ssh-faults.test.ts",
    "daemon/ssh-slow.test.ts",
  ].map((name) => `test/${name}`),
  env: {
    AGTMUX_TEST_FAULTS: "1",
    AGTMUX_TEST_RUNS_FACTOR: "10",
    AGTMUX_TEST_KILLS: "200",
    AGTMUX_TEST_FLAPS: "500",
    AGTMUX_TEST_EVENTS: "1000000",
  },
};

function run(command, words, env = {}) {
  const { status, error } = spawnSync(command, words, { stdio: "inherit", env: { ...process.env, ...env } });
  if (error) throw error;
  return status ?? 1;
}

function must(what, status) {
  if (status === 0) return;
  console.error(`${what} failed with status ${status}`);
  process.exit(status === 3 ? 3 : 1);
}

/** npm ci only when the lock file is another one than what is installed. */
function installAgents() {
  const stamp = `${AGENTS}/node_modules/.installed`;
  const wanted = createHash("sha256")
    .update(readFileSync(`${AGENTS}/package-lock.json`))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  must("installing the agents", run("npm", ["ci", "--prefix", AGENTS]));
  writeFileSync(stamp, wanted);
}

function counts(name) {
  const file = `test-results/${name}.json`;
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(file, "utf8"));
  return {
    passed: numPassedTests,
    failed: Math.max(numFailedTests, numFailedTestSuites > 0 && numFailedTests === 0 ? 1 : 0),
  };
}

/** Runs one project, or some folders of it, and leaves its outcome in test-results. */
function runProject(name, { project = name, words = [], env = {} } = {}) {
  const file = `--outputFile.json=test-results/${name}.json`;
  const reporters = ["default", "json", "./scripts/unhandled-reporter.mjs"].flatMap((each) => [
    "--reporter",
    each,
  ]);
  const outside = unhandledFile(name);
  rmSync(outside, { force: true });
  const status = run("vitest", ["run", "--project", project, ...reporters, file, ...words], {
    ...env,
    AGTMUX_TEST_UNHANDLED: outside,
  });
  const counted = counts(name);
  const failed = counted.failed === 0 && status !== 0 ? 1 : counted.failed;
  return { name, passed: counted.passed, failed };
}

must("the system packages", run(process.execPath, ["scripts/system-packages.mjs"]));
const outcomes = [];
if (process.argv.includes("--nightly")) {
  rmSync("test-results/nightly.json", { force: true });
  // One file at a time: what is measured in one must not wait for the other's load.
  const words = [...NIGHTLY.folders, "--no-file-parallelism"];
  outcomes.push(runProject("nightly", { project: "unit", words, env: NIGHTLY.env }));
} else {
  const withAgents = process.env.AGTMUX_SKIP_AGENTS !== "1";
  if (withAgents) installAgents();
  rmSync("test-results", { recursive: true, force: true });
  outcomes.push(runProject("unit"));
  if (withAgents) outcomes.push(runProject("e2e", { words: ["--no-file-parallelism"] }));
}
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
for (const { name } of outcomes.filter((outcome) => outcome.failed > 0)) {
  for (const failure of failures(name)) console.log(`failed: ${failure}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
