import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HookFileAction, HookInstallState } from "../../../gen/agtmux/v1/hook_pb.js";
import { FileTooLarge, type HookFiles } from "../../../src/server/ingest/hook-file.js";
import { applyHooks, removeHooks } from "../../../src/server/ingest/hook-installer.js";
import { hookStatus } from "../../../src/server/ingest/hook-status.js";
import { localHookFiles } from "../../../src/server/ingest/local-hook-files.js";
import type { SshConnection } from "../../../src/server/targets/ssh/connection.js";
import { sftpHookFiles } from "../../../src/server/targets/ssh/sftp-hook-files.js";
import { HookHome } from "../../ingest/hook-home.js";
import { LoopbackSshd } from "./loopback-sshd.js";

let sshd: LoopbackSshd;
let connection: SshConnection;
beforeAll(async () => {
  sshd = await LoopbackSshd.start();
  connection = await sshd.open();
});
afterAll(async () => {
  connection?.close();
  await sshd?.close();
});

describe.each([
  ["here", (): Promise<HookFiles> => Promise.resolve(localHookFiles())],
  ["over sftp", async (): Promise<HookFiles> => sftpHookFiles(await connection.sftp())],
])("files %s", (_name, open) => {
  let root: string;
  let files: HookFiles;
  beforeEach(async () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "agtmux-files-")));
    files = await open();
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const at = (name: string): string => join(root, name);

  it("tells what a path is without following a link, and nothing of what is not there", async () => {
    writeFileSync(at("file"), "x");
    chmodSync(at("file"), 0o640);
    mkdirSync(at("folder"), { mode: 0o711 });
    symlinkSync("file", at("link"));
    symlinkSync("nowhere", at("dangling"));
    const { uid, gid } = lstatSync(at("file"));
    expect(await files.lstat(at("file"))).toEqual({ kind: "file", mode: 0o640, uid, gid });
    expect(await files.lstat(at("folder"))).toMatchObject({ kind: "folder", mode: 0o711 });
    expect(await files.lstat(at("link"))).toMatchObject({ kind: "link" });
    expect(await files.lstat("/dev/null")).toMatchObject({ kind: "other" });
    for (const gone of ["none", "none/below", "file/below"]) {
      expect([gone, await files.lstat(at(gone))]).toEqual([gone, undefined]);
      expect([gone, await files.realpath(at(gone))]).toEqual([gone, undefined]);
      expect([gone, await files.readFile(at(gone), 10)]).toEqual([gone, undefined]);
    }
    expect(await files.realpath(at("link"))).toBe(at("file"));
    expect(await files.realpath(at("dangling"))).toBeUndefined();
  });

  it("writes, reads, replaces and removes files of any size, with the mode that is asked for", async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    await files.writeFile(at("new"), { bytes, mode: 0o755 });
    expect(lstatSync(at("new")).mode & 0o7777).toBe(0o755);
    await files.writeFile(at("new"), { bytes: bytes.subarray(1), mode: 0o600 });
    writeFileSync(at("old"), "old");
    await files.rename(at("new"), at("old"));
    expect(readFileSync(at("old")).equals(bytes.subarray(1))).toBe(true);
    expect(Buffer.from((await files.readFile(at("old"), bytes.length)) ?? []).equals(bytes.subarray(1))).toBe(
      true,
    );
    await expect(files.readFile(at("old"), 99_998)).rejects.toThrow(FileTooLarge);
    expect(lstatSync(at("old")).mode & 0o7777).toBe(0o600);
    await files.unlink(at("old"));
    await files.unlink(at("old"));
    await files.writeFile(at("empty"), { bytes: new Uint8Array(), mode: 0o600 });
    expect(await files.readFile(at("empty"), 10)).toHaveLength(0);
  });

  it("makes and removes folders; one that is not empty stays", async () => {
    await files.mkdir(at("folder"), 0o700);
    expect(lstatSync(at("folder")).mode & 0o7777).toBe(0o700);
    writeFileSync(at("folder/file"), "x");
    expect(await files.rmdir(at("folder"))).toBe(false);
    await files.unlink(at("folder/file"));
    expect(await files.rmdir(at("folder"))).toBe(true);
    expect(await files.rmdir(at("folder"))).toBe(false);
  });
});

describe("hooks over sftp", () => {
  let home: HookHome;
  beforeEach(() => {
    home = new HookHome();
  });
  afterEach(() => home.close());

  it("TC-075 are added to the user's file and taken out again; its bytes, mode and link are as before", async () => {
    const original =
      '{\n  // mine\n  "model": "x",\n  "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]},\n}\n';
    const real = join(home.home, "dotfiles", "claude.json");
    home.write(real, original, 0o640);
    mkdirSync(join(home.home, ".claude"));
    symlinkSync(real, home.settings);
    const before = home.snapshot();
    const host = home.host({ files: sftpHookFiles(await connection.sftp()) });

    const { files } = await applyHooks(host);
    expect(files.map(({ action }) => action)).toEqual([HookFileAction.CREATE, HookFileAction.UPDATE]);
    expect(lstatSync(home.settings).isSymbolicLink()).toBe(true);
    expect(lstatSync(real).mode & 0o777).toBe(0o640);
    expect(lstatSync(home.scriptPath).mode & 0o777).toBe(0o700);
    const installed = home.snapshot();
    expect(installed[real]).toContain("// mine");
    expect((await hookStatus(host)).agents[0]).toMatchObject({ state: HookInstallState.CURRENT });
    await applyHooks(host);
    expect(home.snapshot()).toEqual(installed);

    await removeHooks(host);
    const after = home.snapshot();
    // The daemon's own folder is not the installer's to remove.
    expect(Object.entries(after).filter(([path]) => !path.startsWith(home.stateDir))).toEqual(
      Object.entries(before),
    );
    expect(Object.keys(after).filter((path) => path.startsWith(home.stateDir))).toEqual([
      `${home.stateDir}/`,
    ]);
  });

  it("TC-075 a file that the user changed meanwhile keeps the change", async () => {
    home.write(home.settings, '{"model": "x"}\n');
    const host = home.host({ files: sftpHookFiles(await connection.sftp()) });
    await applyHooks(host);
    const changed = readFileSync(home.settings, "utf8").replace('"x"', '"y"');
    writeFileSync(home.settings, changed);
    await removeHooks(host);
    expect(JSON.parse(readFileSync(home.settings, "utf8"))).toEqual({ model: "y" });
  });
});
