import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { FAILPOINTS, failpoint } from "../../../src/server/failpoint.js";
import { failpointBuild, productBuild } from "./builds.js";
import { edited } from "./mutant.js";

const SERVER = join(import.meta.dirname, "..", "..", "..", "src", "server");
const NAMES = Object.keys(FAILPOINTS);

/** All text of a build, without the builds beside it. */
function text(program: string): string {
  return globSync("{,cli/,daemon/}*.mjs", { cwd: dirname(program) })
    .map((name) => readFileSync(join(dirname(program), name), "utf8"))
    .join("\n");
}

describe("the builds", () => {
  let armable: string;
  beforeAll(async () => {
    armable = text(await failpointBuild());
  });

  it("TC-060 the product holds no failpoint: no name, no call, no switch", () => {
    const product = text(productBuild());
    expect(product.length).toBeGreaterThan(100_000);
    const words = [...NAMES, "AGTMUX_FAILPOINT", "failpoint"];
    expect(words.filter((word) => product.includes(word))).toEqual([]);
    expect(words.filter((word) => !armable.includes(word))).toEqual([]);
  });

  it("every failpoint stands in the source once", () => {
    const source = globSync("**/*.ts", { cwd: SERVER })
      .map((name) => readFileSync(join(SERVER, name), "utf8"))
      .join("\n");
    for (const name of NAMES)
      expect([name, source.split(`failpoint("${name}")`).length - 1]).toEqual([name, 1]);
  });

  it("a mutant whose text does not stand in its file exactly once is no build", async () => {
    const edits = [
      [{ file: "version.ts", find: "no such text", replace: "" }],
      [{ file: "engine/state.ts", find: "export", replace: "export" }],
      [{ file: "no-such-file.ts", find: "x", replace: "y" }],
    ];
    for (const each of edits)
      await expect(failpointBuild(each)).rejects.toThrow(/has \d+ times|no part of the build/u);
    expect(edited(SERVER, []).name).toBe("edited");
  });
});

describe("an armed point", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  const armed = async (arming: string): Promise<typeof failpoint> => {
    vi.stubGlobal("AGTMUX_FAILPOINTS", true);
    vi.stubEnv("AGTMUX_FAILPOINT", arming);
    vi.resetModules();
    return (await import("../../../src/server/failpoint.js")).failpoint;
  };

  it("is nothing where no build has made it something", () => {
    vi.stubEnv("AGTMUX_FAILPOINT", "store.before-commit=throw@1+");
    expect(() => failpoint("store.before-commit")).not.toThrow();
  });

  it("acts at the hit that was asked for, and at no other", async () => {
    const hit = await armed("store.before-commit=throw@2;watch.before-send=throw@1+");
    expect(() => hit("store.before-commit")).not.toThrow();
    expect(() => hit("store.after-commit")).not.toThrow();
    expect(() => hit("store.before-commit")).toThrow("failpoint store.before-commit");
    expect(() => hit("store.before-commit")).not.toThrow();
    for (let count = 0; count < 3; count += 1) expect(() => hit("watch.before-send")).toThrow();
  });

  it("holds everything up for as long as it is told to sleep", async () => {
    const hit = await armed("watch.before-send=sleep:30@1");
    const began = performance.now();
    hit("watch.before-send");
    expect(performance.now() - began).toBeGreaterThanOrEqual(29);
    hit("watch.before-send");
    expect(performance.now() - began).toBeLessThan(60);
  });

  it.each([
    "store.commit=kill@1",
    "store.before-commit",
    "store.before-commit=kill@x",
    "store.before-commit=die@1",
  ])("says that %s arms nothing", async (arming) => {
    const hit = await armed(arming);
    expect(() => hit("lock.after-acquire")).toThrow(`AGTMUX_FAILPOINT: ${arming} arms no failpoint`);
  });
});
