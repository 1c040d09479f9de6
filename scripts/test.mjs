// The everyday run: what it needs, the tests by themselves, then tests with a real agent, one file at a time; under ten
// minutes. With --nightly, the slow profile: the tests that take long, those that grow with time, grown (more cases, more
// kills, a larger database), and all tests with the real agents. The last line sums up what really ran.
// AGTMUX_SKIP_AGENTS=1 leaves the real agents out.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { runTests } from "./test-run.mjs";

const AGENTS = "test/e2e/agents";
/** What takes long, each for a reason of its own: it is left to the slow profile. */
const SLOW = {
  unit: [
    "test/actions/crash.test.ts",
    "test/daemon/store-faults.test.ts",
    "test/ingest/retention.test.ts",
    "test/robustness/scenarios/mutants.test.ts",
    "test/targets/ssh/no-leaks.test.ts",
    "test/tmux/guard-hostile.test.ts",
    "test/watch/churn.test.ts",
    "test/watch/crowd.test.ts",
  ],
  e2e: ["test/e2e/actions.test.ts", "test/e2e/codex.test.ts"],
};
/** What grows. */
const GROWN = [
  "engine",
  "ingest",
  "replay",
  "store",
  "watch",
  "robustness",
  "actions/adversary",
  "daemon/ssh-",
].map((each) => `test/${each}`);
const NIGHTLY = {
  AGTMUX_TEST_FAULTS: "1",
  AGTMUX_TEST_ADVERSARY: "10000",
  AGTMUX_TEST_RUNS_FACTOR: "10",
  AGTMUX_TEST_KILLS: "200",
  AGTMUX_TEST_FLAPS: "500",
  AGTMUX_TEST_EVENTS: "1000000",
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

must("the system packages", run(process.execPath, ["scripts/system-packages.mjs"]));
const withAgents = process.env.AGTMUX_SKIP_AGENTS !== "1";
if (withAgents) installAgents();
const outcomes = [];
// What is measured in one file must not wait for the other's load.
const ONE_BY_ONE = "--no-file-parallelism";
if (process.argv.includes("--nightly")) {
  const rest = SLOW.unit.filter((file) => !GROWN.some((grown) => file.startsWith(grown)));
  outcomes.push(runTests("nightly", ["--project", "unit", ...GROWN, ONE_BY_ONE], { env: NIGHTLY }));
  outcomes.push(runTests("nightly-slow", ["--project", "unit", ...rest]));
  if (withAgents) outcomes.push(runTests("nightly-e2e", ["--project", "e2e", ...SLOW.e2e, ONE_BY_ONE]));
} else {
  const without = (files) => ({ AGTMUX_TEST_WITHOUT: files.join(",") });
  rmSync("test-results", { recursive: true, force: true });
  outcomes.push(runTests("unit", ["--project", "unit"], { env: without(SLOW.unit) }));
  if (withAgents)
    outcomes.push(runTests("e2e", ["--project", "e2e", ONE_BY_ONE], { env: without(SLOW.e2e) }));
}
const passed = outcomes.reduce((sum, each) => sum + each.passed, 0);
const failures = outcomes.flatMap((each) => each.failures);
for (const failure of failures) console.log(`failed: ${failure}`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length === 0 ? 0 : 1);
