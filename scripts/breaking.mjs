// Compares the contract with the last landed one, kept as an image in proto/landed.binpb.
// `node scripts/breaking.mjs --land` takes the present contract as landed, once it is on main.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const IMAGE = "proto/landed.binpb";

function buf(words) {
  const { status } = spawnSync("buf", words, { stdio: "inherit" });
  process.exit(status ?? 1);
}

if (process.argv.includes("--land")) buf(["build", "-o", IMAGE, "--exclude-source-info"]);
if (!existsSync(IMAGE)) {
  console.error(`${IMAGE} is missing: node scripts/breaking.mjs --land makes it`);
  process.exit(1);
}
buf(["breaking", "--against", IMAGE]);
