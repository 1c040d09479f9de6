// Generates the code anew into a scratch folder and compares: gen/ must be what proto/ says.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const scratch = mkdtempSync(join(tmpdir(), "agtmux-gen-"));
try {
  const { status, stderr } = spawnSync("buf", ["generate", "--output", scratch], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const list = (root) =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
      .sort();
  const made = list(join(scratch, "gen"));
  const kept = list("gen");
  const other = [...new Set([...made, ...kept])].filter(
    (name) =>
      !made.includes(name) ||
      !kept.includes(name) ||
      readFileSync(join(scratch, "gen", name), "utf8") !== readFileSync(join("gen", name), "utf8"),
  );
  if (other.length > 0) {
    console.error(`gen/ is not what proto/ says (${other.join(", ")}): run npm run generate`);
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
