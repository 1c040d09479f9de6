import { rm } from "node:fs/promises";
import { join } from "node:path";
import { bundle } from "../../scripts/bundle.mjs";

const ROOT = join(import.meta.dirname, "..", "..");
const dist = join("test-results", `dist-${process.pid}`);

/**
 * Bundles the programs once for a whole test run, into a directory of this run's own, so that runs beside each other
 * and the user's `dist` stay apart. Vitest calls it by this name.
 */
export async function setup(): Promise<void> {
  await bundle(dist, ROOT);
  process.env["AGTMUX_TEST_DIST"] = dist;
}

export async function teardown(): Promise<void> {
  await rm(join(ROOT, dist), { recursive: true, force: true });
}
