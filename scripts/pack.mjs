// npm run pack [-- FOLDER]: two packages into pack/, or into FOLDER. `agtmux` brings both programs, the contract and the schemas of its JSON;
// `@agtmux/client` brings the typed client alone, without native parts.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundle } from "./bundle.mjs";

const OUT = resolve(process.argv[2] ?? "pack");
const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const { version, license, engines, type, dependencies } = manifest;

function run(command, words, cwd = ".") {
  const { status, error } = spawnSync(command, words, { cwd, stdio: ["ignore", "ignore", "inherit"] });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${words.join(" ")} ended with ${status}`);
}

/** `dependencies` of ours that a package keeps, with their pinned versions. */
function pick(names) {
  return Object.fromEntries(names.map((name) => [name, dependencies[name]]));
}

function stage(name, facts) {
  const folder = join(OUT, name);
  mkdirSync(folder, { recursive: true });
  for (const file of ["LICENSE", "proto"]) cpSync(file, join(folder, file), { recursive: true });
  rmSync(join(folder, "proto", "landed.binpb"), { force: true });
  const text = JSON.stringify({ version, license, type, engines, ...facts }, undefined, 2);
  writeFileSync(join(folder, "package.json"), `${text}\n`);
  return folder;
}

rmSync(OUT, { recursive: true, force: true });

const programs = stage("agtmux", {
  name: "agtmux",
  description: manifest.description,
  bin: { agtmux: "dist/agtmux.mjs", agtmuxd: "dist/agtmuxd.mjs" },
  dependencies: pick(["better-sqlite3", "ssh2"]),
});
await bundle(join(programs, "dist"));
cpSync("README.md", join(programs, "README.md"));
cpSync("schema", join(programs, "schema"), { recursive: true });
rmSync(join(programs, "schema", "landed.json"), { force: true });

const client = stage("client", {
  name: "@agtmux/client",
  description: "Typed client of AGTMUX: what every coding agent in every tmux pane is doing.",
  exports: { ".": { types: "./dist/src/client/index.d.ts", default: "./dist/src/client/index.js" } },
  sideEffects: false,
  dependencies: pick(["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"]),
});
run("tsc", ["-p", "scripts/tsconfig.client.json", "--outDir", join(client, "dist")]);
cpSync("docs/sdk.md", join(client, "README.md"));

for (const folder of [programs, client]) run("npm", ["pack", "--silent", "--pack-destination", OUT], folder);
