import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLocalAgentFiles } from "../../src/server/targets/local-host.js";
import { until } from "../tmux/private-server.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "agtmux-files-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const files = createLocalAgentFiles();
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

describe("reading a file", () => {
  it("gives its beginning, its end, or all of it, and never more than asked for", async () => {
    const path = join(directory, "f");
    writeFileSync(path, "0123456789");
    expect(text(await files.readFile(path, 4))).toBe("0123");
    expect(text(await files.readFile(path, 100))).toBe("0123456789");
    expect(text(await files.readTail(path, 4))).toBe("6789");
    expect(text(await files.readTail(path, 100))).toBe("0123456789");
    expect(text(await files.readTail(path, 0))).toBe("");
  });

  it("gives large files whole", async () => {
    const path = join(directory, "f");
    const content = "0123456789abcdef".repeat(40_000);
    writeFileSync(path, content);
    expect(text(await files.readFile(path, 1_000_000))).toBe(content);
    expect(text(await files.readTail(path, 300_000))).toBe(content.slice(-300_000));
  });

  it("is undefined where there is none, and follows links", async () => {
    writeFileSync(join(directory, "f"), "x");
    symlinkSync("f", join(directory, "link"));
    expect(await files.readFile(join(directory, "none"), 10)).toBeUndefined();
    expect(await files.readTail(join(directory, "f", "below"), 10)).toBeUndefined();
    expect(text(await files.readFile(join(directory, "link"), 10))).toBe("x");
  });

  it("refuses what is no regular file, without waiting for it", async () => {
    const fifo = join(directory, "fifo");
    execFileSync("mkfifo", [fifo]);
    const begun = performance.now();
    await expect(files.readFile(fifo, 10)).rejects.toThrow("not a regular file");
    await expect(files.readFile(directory, 10)).rejects.toThrow("not a regular file");
    await expect(files.readTail("/dev/zero", 10)).rejects.toThrow("not a regular file");
    expect(performance.now() - begun).toBeLessThan(1_500);
  });
});

describe.runIf(process.platform === "linux")("a process's environment", () => {
  it("gives the named variables, repaired and bounded, and no others", async () => {
    const child = spawn("sleep", ["60"], {
      env: { PATH: process.env["PATH"], ONE: "1=2", EMPTY: "", LONG: "x".repeat(9_000), SECRET: "s" },
    });
    await until(
      "the program runs",
      async () => (await files.environment(child.pid ?? 0, ["ONE"]))?.["ONE"] === "1=2",
    );
    const found = await files.environment(child.pid ?? 0, ["ONE", "EMPTY", "LONG", "ABSENT"]);
    expect(found).toEqual({ ONE: "1=2", EMPTY: "", LONG: "x".repeat(4_096) });
    child.kill("SIGKILL");
  });

  it("is undefined when the process is gone", async () => {
    const child = spawn("true");
    await new Promise((resolve) => child.on("exit", resolve));
    expect(await files.environment(child.pid ?? 0, ["PATH"])).toBeUndefined();
  });
});

describe("the home directory", () => {
  it("is the user's, or the one given", async () => {
    expect(await files.home()).toMatch(/^\//);
    expect(await createLocalAgentFiles({ home: "/h" }).home()).toBe("/h");
  });
});

describe("watching a directory", () => {
  const watched = (path: string) => {
    const names: string[] = [];
    const handle = files.watchDirectory(path, (name) => names.push(name));
    return { names, handle };
  };
  const told = (names: string[], name: string) => until(`a call for ${name}`, () => names.includes(name));

  it("tells of entries made, changed, renamed and removed, and not of those that were there", async () => {
    writeFileSync(join(directory, "old"), "");
    const { names, handle } = watched(directory);
    writeFileSync(join(directory, "new"), "");
    await told(names, "new");
    expect(names).not.toContain("old");
    writeFileSync(join(directory, "old"), "more");
    await told(names, "old");
    renameSync(join(directory, "new"), join(directory, "renamed"));
    await told(names, "renamed");
    names.length = 0;
    rmSync(join(directory, "renamed"));
    await told(names, "renamed");
    handle.close();
  });

  it("that does not exist yet tells of everything in it once it does", async () => {
    const path = join(directory, "a", "b");
    const { names, handle } = watched(path);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, "first"), "");
    await told(names, "first");
    writeFileSync(join(path, "second"), "");
    await told(names, "second");
    handle.close();
  });

  it("that is removed or replaced goes on with the new one", async () => {
    const path = join(directory, "d");
    mkdirSync(path);
    const { names, handle } = watched(path);
    writeFileSync(join(path, "one"), "");
    await told(names, "one");
    rmSync(path, { recursive: true });
    mkdirSync(path);
    writeFileSync(join(path, "two"), "");
    await told(names, "two");
    renameSync(path, join(directory, "away"));
    mkdirSync(path);
    writeFileSync(join(path, "three"), "");
    await told(names, "three");
    handle.close();
  });

  it("tells once of many writes in one turn", async () => {
    const { names, handle } = watched(directory);
    for (let index = 0; index < 50; index += 1) utimesSync(directory, index, index);
    for (let index = 0; index < 50; index += 1) writeFileSync(join(directory, "busy"), String(index));
    await told(names, "busy");
    expect(names.filter((name) => name === "busy").length).toBeLessThan(10);
    handle.close();
  });

  it("tells nothing and holds nothing once it is closed", async () => {
    const before = process.getActiveResourcesInfo().length;
    const open = watched(directory);
    const absent = watched(join(directory, "none"));
    open.handle.close();
    absent.handle.close();
    mkdirSync(join(directory, "none"));
    writeFileSync(join(directory, "x"), "");
    const other = watched(directory);
    writeFileSync(join(directory, "y"), "");
    await told(other.names, "y");
    other.handle.close();
    expect([...open.names, ...absent.names]).toEqual([]);
    await until("nothing is held", () => process.getActiveResourcesInfo().length <= before);
  });
});
