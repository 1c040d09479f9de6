// Bundles both programs into dist/: one entry each, shared chunks beside them.
import { rmSync } from "node:fs";
import { build } from "esbuild";

rmSync("dist", { recursive: true, force: true });
await build({
  entryPoints: { agtmux: "src/client/cli/main.ts", agtmuxd: "src/server/main.ts" },
  bundle: true,
  splitting: true,
  platform: "node",
  // jsonc-parser's CommonJS build is UMD, which no bundler can follow.
  mainFields: ["module", "main"],
  target: "node22.12",
  format: "esm",
  outdir: "dist",
  outExtension: { ".js": ".mjs" },
  chunkNames: "chunks/[name]-[hash]",
  external: ["better-sqlite3"],
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
  banner: {
    // Some dependencies are CommonJS and ask for Node's own modules by require.
    js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
  },
});
