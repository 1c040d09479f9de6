import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Real tmux servers and daemons run beside the tests: more workers than cores only makes waits flaky.
    maxWorkers: 2,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
