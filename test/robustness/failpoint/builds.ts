import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { bundleDaemon } from "../../../scripts/bundle.mjs";
import { type Edit, edited } from "./mutant.js";

const ROOT = join(import.meta.dirname, "..", "..", "..");

function product(): string {
  const dist = process.env["AGTMUX_TEST_DIST"];
  if (dist === undefined) throw new Error("the test run has bundled nothing");
  return join(ROOT, dist);
}

/** The daemon as it is shipped. */
export function productBuild(): string {
  return join(product(), "agtmuxd.mjs");
}

/** A daemon with failpoints, and with the given edits of its source. It goes with the product's build of this run. */
export async function failpointBuild(edits: readonly Edit[] = []): Promise<string> {
  const folder = mkdtempSync(join(product(), "failpoints-"));
  await bundleDaemon(folder, ROOT, { failpoints: true, plugins: [edited(ROOT, edits)] });
  return join(folder, "agtmuxd.mjs");
}
