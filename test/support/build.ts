import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..", "..");
const ENTRIES = { agtmuxd: "src/server/main.ts", agtmux: "src/client/cli/main.ts" };

const dist = join("test-results", `dist-${process.pid}`);

/**
 * Bundles the programs as scripts/build.mjs does, once for a whole test run, into a directory of this run's own, so that
 * runs beside each other and the user's `dist` stay apart. Vitest calls it by this name.
 */
export async function setup(): Promise<void> {
  const entries = Object.entries(ENTRIES).filter(([, source]) => existsSync(join(ROOT, source)));
  await build({
    absWorkingDir: ROOT,
    entryPoints: Object.fromEntries(entries),
    bundle: true,
    splitting: true,
    platform: "node",
    mainFields: ["module", "main"],
    target: "node22.12",
    format: "esm",
    outdir: dist,
    outExtension: { ".js": ".mjs" },
    chunkNames: "chunks/[name]-[hash]",
    external: ["better-sqlite3"],
    logLevel: "warning",
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
    },
  });
  process.env["AGTMUX_TEST_DIST"] = dist;
}

export async function teardown(): Promise<void> {
  await rm(join(ROOT, dist), { recursive: true, force: true });
}
