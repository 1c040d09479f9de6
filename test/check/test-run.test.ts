import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Outcome, runTests } from "../../scripts/test-run.mjs";

/** Files of tests, each of which ends in its own way. */
const FILES = {
  "passes.test.js": `it("passes", () => {});`,
  "fails.test.js": `
    it("fails", () => { throw new Error("of the test"); });
    it("passes beside it", () => {});`,
  "begins-badly.test.js": `describe("a suite", () => {
    beforeAll(() => { throw new Error("of the beginning"); });
    it("is skipped", () => {});
    it("is skipped too", () => {});
  });`,
  "ends-badly.test.js": `describe("outer", () => { describe("inner", () => {
    afterAll(() => { throw new Error("of the end"); });
    it("passed before", () => {});
  }); });`,
  "loads-badly.test.js": `throw new Error("of the load");`,
  "throws-late.test.js": `it("passes, and leaves something", async () => {
    setTimeout(() => { throw new Error("of nobody"); });
    await new Promise((resolve) => setTimeout(resolve, 50));
  });`,
} as const;

describe("a run of tests is counted", () => {
  const folder = mkdtempSync(join(tmpdir(), "agtmux-test-run-"));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...files: (keyof typeof FILES)[]): Outcome =>
    runTests("run", ["--root", folder, "--globals", ...files], { cwd: folder, stdio: "ignore" });

  it.each([
    { file: "fails.test.js", passed: 1, failure: /^fails\.test\.js > fails\n {4}Error: of the test\n/ },
    {
      file: "begins-badly.test.js",
      passed: 0,
      failure: /^begins-badly\.test\.js > a suite, the suite itself\n {4}Error: of the beginning\n/,
    },
    {
      file: "ends-badly.test.js",
      passed: 1,
      failure: /^ends-badly\.test\.js > outer > inner, the suite itself\n {4}Error: of the end\n/,
    },
    { file: "loads-badly.test.js", passed: 0, failure: /^loads-badly\.test\.js\n {4}Error: of the load\n/ },
    { file: "throws-late.test.js", passed: 1, failure: /^outside of any test\n {4}Error: of nobody\n/ },
  ] as const)("$file: one failure, with where and why", ({ file, passed, failure }) => {
    const outcome = run(file);
    expect(outcome).toEqual({ passed, failures: [expect.stringMatching(failure)] });
  });

  it("all of them together: each counts, and so do those that passed", () => {
    const { passed, failures } = run();
    expect(failures).toHaveLength(5);
    expect(passed).toBe(4);
  });

  it("a run in which all passed has no failure, and none of the run before it", () => {
    expect(run("passes.test.js")).toEqual({ passed: 1, failures: [] });
  });

  it("a run that finds no tests has failed", () => {
    const nothing = runTests("run", ["--root", folder, "nothing"], { cwd: folder, stdio: "ignore" });
    expect(nothing).toEqual({ passed: 0, failures: [expect.stringMatching(/^run: /)] });
  });
});
