// Everything that can be said of the tree without running it. Prints one line per check and a sum.
import { spawnSync } from "node:child_process";

const CHECKS = [
  ["types", "tsc", ["-p", "."]],
  ["lint and format", "biome", ["check", "--error-on-warnings", "."]],
  ["layers", "depcruise", ["--config", ".dependency-cruiser.cjs", "--output-type", "err", "src"]],
  ["dead code", "knip", []],
  ["contract lint", "buf", ["lint"]],
  ["contract format", "buf", ["format", "--diff", "--exit-code"]],
  ["contract compatibility", process.execPath, ["scripts/breaking.mjs"]],
  ["schemas only grow", process.execPath, ["scripts/schemas.mjs"]],
  ["generated code is current", process.execPath, ["scripts/generated.mjs"]],
  ["test catalog", process.execPath, ["scripts/catalog.mjs"]],
];

let failed = 0;
for (const [name, command, words] of CHECKS) {
  const { status, stdout, stderr } = spawnSync(command, words, {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  console.log(`${status === 0 ? "ok  " : "FAIL"} ${name}`);
  if (status === 0) continue;
  failed += 1;
  console.log(`${stdout ?? ""}${stderr ?? ""}`);
}
console.log(`${CHECKS.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
