import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

/** The TypeScript samples of a page, in order. */
function samples(page: string): string[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  return [...text.matchAll(/```ts\n(.*?)```/gsu)].map(([, code = ""]) => code);
}

describe("TC-071 the two packages, installed in an empty folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "agtmux-pack-"));
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    AGTMUX_STATE_DIR: join(folder, "state"),
    TMUX_TMPDIR: folder,
  };
  const run = (command: string, ...words: string[]): string =>
    execFileSync(command, words, { cwd: folder, env, encoding: "utf8", timeout: 60_000 });
  const node = process.execPath;
  const bin = (name: string): string => join(folder, "node_modules", ".bin", name);

  beforeAll(() => {
    const out = join(folder, "pack");
    execFileSync(node, ["scripts/pack.mjs", out], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    const tarballs = readdirSync(out)
      .filter((name) => name.endsWith(".tgz"))
      .map((name) => join(out, name));
    expect(tarballs).toHaveLength(2);
    // The registry is the user's own: npm's configuration is the one thing taken from outside.
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs], {
      cwd: folder,
      stdio: ["ignore", "ignore", "inherit"],
    });
  }, 120_000);
  afterAll(() => {
    try {
      run(bin("agtmux"), "daemon", "stop");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("bring nothing but what they need", () => {
    const manifest = (name: string): { dependencies: Record<string, string> } =>
      JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8"));
    expect(Object.keys(manifest("@agtmux/client").dependencies)).toEqual([
      "@bufbuild/protobuf",
      "@connectrpc/connect",
      "@connectrpc/connect-node",
    ]);
    expect(Object.keys(manifest("agtmux").dependencies)).toEqual(["better-sqlite3", "ssh2"]);
  });

  it("have both programs, which start the daemon and answer", () => {
    expect(run(bin("agtmuxd"), "--version")).toMatch(/^\d+\.\d+\.\d+\n$/u);
    const listed: unknown = JSON.parse(run(bin("agtmux"), "list", "panes", "--json"));
    expect(listed).toMatchObject({ schema_version: 1, partial: false, items: [] });
  });

  it("have a client whose samples type-check and whose first one runs", () => {
    const all = samples("docs/sdk.md");
    expect(all.length).toBeGreaterThan(3);
    all.forEach((code, index) => {
      writeFileSync(join(folder, `sample-${index}.ts`), code);
    });
    mkdirSync(join(folder, "node_modules", "@types"), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", "@types", "node"), join(folder, "node_modules", "@types", "node"));
    const options = ["--module", "nodenext", "--target", "es2023", "--strict", "--types", "node"];
    const files = all.map((_, index) => `sample-${index}.ts`);
    run(node, join(ROOT, "node_modules", "typescript", "bin", "tsc"), ...options, ...files);
    run(bin("agtmux"), "daemon", "start");
    expect(run(node, "sample-0.js")).toBe("");
  });

  it("have the contract, from which other languages make their clients", () => {
    const proto = join(folder, "node_modules", "@agtmux", "client", "proto", "agtmux", "v1");
    expect(readdirSync(proto)).toContain("state.proto");
  });
});
