import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ExecutorError } from "../../../src/server/targets/executor.js";
import { CommandChannel } from "../../../src/server/targets/shell/command-channel.js";
import { lookUpProcesses } from "../../../src/server/targets/ssh/remote-processes.js";
import { closeReader, openReader } from "../../../src/server/targets/ssh/remote-reader-folders.js";
import { remoteShells } from "../../../src/server/targets/ssh/remote-shells.js";
import { RemoteSpool } from "../../../src/server/targets/ssh/remote-spool.js";
import { LoginShells, SHELLS } from "../shell/login-shells.js";

const READER = "0123456789ab";
const ID = "00000000-0000-4000-8000-0000000000";
const nameOf = (index: number): string => `${String(index).padStart(20, "0")}-${ID}${index + 10}.json`;
const event = (text: string): string => JSON.stringify({ events: [{ eventType: text }] });

describe.each(SHELLS)("the spool of a host with %s", (sh) => {
  let root: string;
  let shells: LoginShells;
  let shell: CommandChannel;
  let spool: RemoteSpool;
  let places: { home: string; stateDir: string; scriptPath: string; environment: Record<string, string> };

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), "agtmux-spool-"));
    const stateDir = join(root, "it's a $(state)");
    places = { home: root, stateDir, scriptPath: join(stateDir, "hooks", "agtmux-hook"), environment: {} };
    mkdirSync(join(stateDir, "hooks"), { recursive: true });
    writeFileSync(places.scriptPath, "");
    shells = new LoginShells(sh);
    shell = new CommandChannel(remoteShells(shells));
    spool = new RemoteSpool(places, READER);
    await openReader(shell, places, READER);
  });
  afterEach(() => {
    shell.close(new ExecutorError("failed", "the test is over"));
    shells.close();
    rmSync(root, { recursive: true, force: true });
  });

  it("TC-075 is read in order and in bounded batches; what was removed does not come again", async () => {
    for (let index = 20; index > 0; index--)
      writeFileSync(join(spool.folder, nameOf(index)), event(`e${index}`));
    writeFileSync(join(spool.folder, ".unfinished.json.tmp"), event("no"));
    const types: string[] = [];
    for (let round = 0; round < 2; round++) {
      const { files, more, installed, folder, socket } = await spool.look(shell, "");
      expect([installed, folder, socket, more]).toEqual([true, true, false, round === 0]);
      types.push(...files.flatMap(({ envelopes }) => envelopes.map(({ eventType }) => eventType)));
      await spool.remove(
        shell,
        files.map(({ name }) => name),
      );
    }
    expect(types).toEqual(Array.from({ length: 20 }, (_, index) => `e${index + 1}`));
    expect((await spool.look(shell, "")).files).toEqual([]);
  });

  it("tells when a file was written, to the second", async () => {
    const path = join(spool.folder, nameOf(1));
    writeFileSync(path, event("e"));
    utimesSync(path, 1_600_000_000, 1_700_000_000);
    expect((await spool.look(shell, "")).files[0]?.mtimeMicros).toBe(1_700_000_000_000_000);
  });

  it("TC-068 follows no link, opens no folder, and takes no more than 1 MiB of a file; what it sets aside is bounded", async () => {
    const secret = join(root, "secret");
    writeFileSync(secret, event("secret"));
    symlinkSync(secret, join(spool.folder, nameOf(1)));
    mkdirSync(join(spool.folder, nameOf(2)));
    writeFileSync(join(spool.folder, nameOf(3)), Buffer.alloc(1024 * 1024 + 1, " "));
    writeFileSync(join(spool.folder, nameOf(4)), "{ torn");
    const { files } = await spool.look(shell, "");
    expect(files.map(({ error }) => error?.split(" ", 2).join(" "))).toEqual([
      "not a",
      "not a",
      "larger than",
      "not JSON",
    ]);
    for (const { name, error } of files) await spool.setAside(shell, name, `${error}; rm -rf '$HOME'`);
    expect((await spool.look(shell, "")).files).toEqual([]);
    expect(readFileSync(secret, "utf8")).toBe(event("secret"));
    const rejected = join(spool.folder, "rejected");
    expect(readdirSync(rejected).filter((name) => name.endsWith(".reason"))).toHaveLength(4);
    expect(readFileSync(join(rejected, `${nameOf(4)}.reason`), "utf8")).toBe("not JSON; rm -rf '$HOME'\n");
    for (const name of readdirSync(rejected)) {
      expect(lstatSync(join(rejected, name)).size).toBeLessThanOrEqual(16 * 1024);
    }
    for (let index = 10; index < 80; index++) {
      writeFileSync(join(spool.folder, nameOf(index)), "x");
      await spool.setAside(shell, nameOf(index), "x");
    }
    expect(readdirSync(rejected).length).toBeLessThan(120);
  });

  it("makes folders for the user alone, takes stale sockets of its own away, and leaves others' things", async () => {
    const { stateDir } = places;
    const ingest = join(stateDir, "ingest.d");
    for (const name of [`${READER}.1.sock`, `${READER}.slow`, "other.1.sock"])
      writeFileSync(join(ingest, name), "");
    mkdirSync(join(stateDir, "spool.d", "other"));
    chmodSync(join(stateDir, "spool.d"), 0o755);
    await openReader(shell, places, READER);
    expect(readdirSync(ingest)).toEqual(["other.1.sock"]);
    for (const folder of [ingest, join(stateDir, "spool.d"), spool.folder]) {
      expect(lstatSync(folder).mode & 0o777).toBe(0o700);
    }
    await closeReader(shell, places, READER);
    expect(readdirSync(join(stateDir, "spool.d"))).toEqual(["other"]);
    rmSync(join(stateDir, "spool.d", "other"), { recursive: true });
    rmSync(join(ingest, "other.1.sock"));
    await closeReader(shell, places, READER);
    expect(readdirSync(stateDir)).toEqual(["hooks"]);
  });

  it("refuses folders that are links, and removes nothing through them", async () => {
    const { stateDir } = places;
    const elsewhere = join(root, "elsewhere");
    mkdirSync(join(elsewhere, READER), { recursive: true });
    rmSync(join(stateDir, "spool.d"), { recursive: true });
    symlinkSync(elsewhere, join(stateDir, "spool.d"));
    await expect(openReader(shell, places, READER)).rejects.toThrow(/symbolic link/u);
    await closeReader(shell, places, READER);
    expect(existsSync(join(elsewhere, READER))).toBe(true);
  });

  it("tells processes by pid as they are now, and leaves out what is gone", async () => {
    const child = spawn("sleep", ["100"], { stdio: "ignore" });
    try {
      const pid = child.pid ?? 0;
      const found = await lookUpProcesses(shell, [pid, 4_194_304, process.pid]);
      expect([...found.keys()].sort()).toEqual([pid, process.pid].sort());
      expect(found.get(pid)).toMatchObject({ pid, ppid: process.pid, comm: "sleep", argv: ["sleep", "100"] });
    } finally {
      child.kill("SIGKILL");
    }
  });
});
