// How both programs are bundled: one entry each, with chunks of its own for what is loaded on demand.
import { build } from "esbuild";
import { builtins, descriptors } from "./lean-start.mjs";

const SHARED = {
  bundle: true,
  splitting: true,
  platform: "node",
  // jsonc-parser's CommonJS build is UMD, which no bundler can follow.
  mainFields: ["module", "main"],
  target: "node22.12",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  legalComments: "none",
  logLevel: "warning",
};

const SHEBANG = "#!/usr/bin/env node";
// Some of the daemon's dependencies are CommonJS and ask for Node's own modules by require.
const REQUIRE =
  'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);';

/**
 * Bundles agtmuxd into `outdir`. With `failpoints` it can be stopped at the points of src/server/failpoint.ts; in the
 * product they are nothing. `plugins` are esbuild's.
 */
export async function bundleDaemon(outdir, root = process.cwd(), { failpoints = false, plugins = [] } = {}) {
  await build({
    ...SHARED,
    absWorkingDir: root,
    outdir,
    entryPoints: { agtmuxd: "src/server/main.ts" },
    chunkNames: "daemon/[name]-[hash]",
    minifySyntax: true,
    external: ["better-sqlite3", "ssh2"],
    define: { AGTMUX_FAILPOINTS: String(failpoints) },
    plugins,
    banner: { js: `${SHEBANG}\n${REQUIRE}` },
  });
}

/** Bundles agtmux and agtmuxd into `outdir`; `root` is the checkout. */
export async function bundle(outdir, root = process.cwd()) {
  await build({
    ...SHARED,
    absWorkingDir: root,
    outdir,
    entryPoints: { agtmux: "src/client/cli/main.ts" },
    chunkNames: "cli/[name]-[hash]",
    minify: true,
    plugins: [builtins, descriptors],
    banner: { js: SHEBANG },
  });
  await bundleDaemon(outdir, root);
}
