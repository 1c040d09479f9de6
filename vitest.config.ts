import { defineConfig } from "vitest/config";

/** Files that a run leaves out; see scripts/test.mjs. */
const without = (process.env["AGTMUX_TEST_WITHOUT"] ?? "").split(",").filter((file) => file !== "");
const exclude = ["**/node_modules/**", ...without];

export default defineConfig({
  test: {
    // Nightly runs try more cases.
    testTimeout: 30_000 * Math.max(1, Number(process.env["AGTMUX_TEST_RUNS_FACTOR"] ?? "1")),
    hookTimeout: 60_000,
    // Real tmux servers and daemons run beside the tests: more workers than cores only makes waits flaky.
    maxWorkers: 2,
    globalSetup: ["test/support/build.ts"],
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [...exclude, "test/e2e/**"] },
      },
      {
        extends: true,
        test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], exclude, testTimeout: 90_000 },
      },
    ],
  },
});
