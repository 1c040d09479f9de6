// The whole test run: what it needs, the tests by themselves, then the tests with the real agents, one file
// at a time. The last line sums up what really ran. AGTMUX_SKIP_AGENTS=1 leaves the real agents out.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const AGENTS = "test/e2e/agents";

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

function counts(project) {
  const file = `test-results/${project}.json`;
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(file, "utf8"));
  return {
    passed: numPassedTests,
    failed: Math.max(numFailedTests, numFailedTestSuites > 0 && numFailedTests === 0 ? 1 : 0),
  };
}

must("the system packages", run(process.execPath, ["scripts/system-packages.mjs"]));
const withAgents = process.env.AGTMUX_SKIP_AGENTS !== "1";
if (withAgents) installAgents();

rmSync("test-results", { recursive: true, force: true });
const projects = withAgents ? ["unit", "e2e"] : ["unit"];
let failed = 0;
let passed = 0;
for (const project of projects) {
  const alone = project === "e2e" ? ["--no-file-parallelism"] : [];
  const status = run("vitest", [
    "run",
    "--project",
    project,
    "--reporter",
    "default",
    "--reporter",
    "json",
    `--outputFile.json=test-results/${project}.json`,
    ...alone,
  ]);
  const counted = counts(project);
  passed += counted.passed;
  failed += counted.failed === 0 && status !== 0 ? 1 : counted.failed;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
