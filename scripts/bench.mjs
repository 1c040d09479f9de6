// npm run bench: every budget of docs/spec.md section 14, measured beside a baseline. Builds both programs and the
// benchmark into a directory of this run's own, runs it, and passes its arguments and its exit status on.
import { spawn } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { bundle } from "./bundle.mjs";

const outdir = join("test-results", `bench-${process.pid}`);

async function run() {
  await bundle(outdir);
  await build({
    bundle: true,
    platform: "node",
    mainFields: ["module", "main"],
    target: "node22.12",
    format: "esm",
    outdir,
    outExtension: { ".js": ".mjs" },
    entryPoints: { bench: "test/bench/main.ts", "bare-server": "test/bench/support/bare-server.ts" },
    external: ["better-sqlite3", "ssh2"],
    logLevel: "warning",
  });
  // The program of an agent's double, which the tests start from beside their own code.
  cpSync("test/actions/support/box-agent.mjs", join(outdir, "box-agent.mjs"));
  const env = { ...process.env, AGTMUX_TEST_DIST: outdir };
  const child = spawn(process.execPath, [join(outdir, "bench.mjs"), ...process.argv.slice(2)], {
    stdio: "inherit",
    env,
  });
  // It closes what it has opened; a terminal's Ctrl-C reaches it by itself.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

try {
  process.exitCode = await run();
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
