import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

/** One forbidden import each, and the rule that must name it. */
const SEEDS = [
  ["src/server/engine/seed.ts", 'import "../store/store.js";\n', "engine-imports"],
  ["src/server/engine/seed.ts", 'import "node:fs";\n', "engine-is-pure"],
  ["src/client/seed.ts", 'import "../server/config.js";\n', "client-knows-only-the-contract"],
  ["src/server/seed.ts", 'import "../client/index.js";\n', "server-knows-no-client"],
  ["src/server/watch/seed.ts", 'import "better-sqlite3";\n', "only-the-store-speaks-sql"],
  ["src/server/ingest/seed.ts", 'import "node:child_process";\n', "only-executors-start-processes"],
  ["src/server/adapters/claude/seed.ts", 'import "../../ingest/journal.js";\n', "adapters-imports"],
] as const;

/** The linter could pass by seeing nothing at all; so each rule is shown a breach. */
describe("the layering rules", () => {
  let copy: string;

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), "agtmux-layers-"));
    for (const name of ["src", "gen", "package.json", "tsconfig.json", ".dependency-cruiser.cjs"]) {
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  });

  afterAll(() => {
    rmSync(copy, { recursive: true, force: true });
  });

  const cruise = async (): Promise<string> => {
    const words = ["--config", ".dependency-cruiser.cjs", "--output-type", "err-long", "src"];
    const { stdout } = await promisify(execFile)("depcruise", words, { cwd: copy }).catch(
      (error: { stdout?: string }) => ({ stdout: error.stdout ?? "" }),
    );
    return stdout;
  };

  it.each(SEEDS)("catch %s with %s", async (path, text, rule) => {
    const seed = join(copy, path);
    mkdirSync(dirname(seed), { recursive: true });
    writeFileSync(seed, text);
    try {
      expect(await cruise()).toContain(rule);
    } finally {
      rmSync(seed);
    }
  });
});
