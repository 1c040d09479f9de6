import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorCode } from "../../gen/agtmux/v1/common_pb.js";
import { HookFileAction, HookInstallState } from "../../gen/agtmux/v1/hook_pb.js";
import {
  applyHooks,
  type HookOutcome,
  planHooks,
  removeHooks,
} from "../../src/server/ingest/hook-installer.js";
import { hookScript } from "../../src/server/ingest/hook-script.js";
import { hookStatus } from "../../src/server/ingest/hook-status.js";
import { CLAUDE, CODEX, HookHome } from "./hook-home.js";
import { random, settingsText } from "./settings-text.js";

const USERS = `{
  // mine
  "model": "opus",
  "hooks": {
    "Stop": [{ "hooks": [{ "type": "command", "command": "say done" }] }]
  }
}
`;

const actions = (outcome: HookOutcome): string[] =>
  outcome.files.map(({ agentType, action }) => `${agentType || "script"} ${HookFileAction[action]}`);

let place: HookHome;
beforeEach(() => {
  place = new HookHome();
});
afterEach(() => place.close());

const read = (path = place.settings): string => readFileSync(path, "utf8");
const state = async (agent = "claude"): Promise<string> => {
  const { agents } = await hookStatus(place.host({ agents: [agent] }));
  return HookInstallState[agents[0]?.state ?? 0] ?? "";
};

describe("installing hooks", () => {
  it("adds the entries and the script, and says so", async () => {
    place.write(place.settings, USERS);
    const outcome = await applyHooks(place.host());
    expect(actions(outcome)).toEqual(["script CREATE", "claude UPDATE"]);
    const [, file] = outcome.files;
    expect(file).toMatchObject({ path: place.settings, bytesAfter: BigInt(lstatSync(place.settings).size) });
    expect(existsSync(file?.backupPath ?? "")).toBe(true);
    expect(read()).toContain("// mine");
    expect(read(place.scriptPath)).toBe(hookScript(place.stateDir));
    expect(lstatSync(place.scriptPath).mode & 0o777).toBe(0o700);
    expect(lstatSync(join(place.stateDir, "hooks", "backup")).mode & 0o777).toBe(0o700);
    expect(lstatSync(file?.backupPath ?? "").mode & 0o777).toBe(0o600);
    expect(await state()).toBe("CURRENT");
  });

  it("twice is the same as once: the second time nothing at all is written", async () => {
    place.write(place.settings, USERS);
    await applyHooks(place.host());
    const before = place.snapshot();
    place.writes.length = 0;
    const again = await applyHooks(place.host());
    expect(actions(again)).toEqual(["script UNCHANGED", "claude UNCHANGED"]);
    expect(place.writes).toEqual([]);
    expect(place.snapshot()).toEqual(before);
  });

  it("and removing gives back the original bytes and leaves nothing of ours, whatever the file looks like", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          value: fc.dictionary(
            fc.string().filter((key) => key !== "hooks" && key !== "__proto__"),
            fc.jsonValue({ maxDepth: 2 }),
          ),
          hooks: fc.option(
            fc.dictionary(fc.constantFrom("Stop", "SessionStart"), fc.constant([{ hooks: [] }])),
          ),
          seed: fc.nat(),
          layout: fc.record({
            indent: fc.constantFrom("", "  ", "\t"),
            eol: fc.constantFrom("\n", "\r\n"),
            comments: fc.boolean(),
            trailingCommas: fc.boolean(),
            bom: fc.boolean(),
            finalNewline: fc.boolean(),
          }),
        }),
        async ({ value, hooks, seed, layout }) => {
          const whole = hooks === null ? value : { ...value, hooks };
          rmSync(place.stateDir, { recursive: true, force: true });
          mkdirSync(place.stateDir);
          place.write(place.settings, settingsText(whole, layout, random(seed)));
          const before = place.snapshot();
          await applyHooks(place.host());
          await applyHooks(place.host());
          expect(actions(await removeHooks(place.host()))).toEqual(["claude RESTORE", "script REMOVE"]);
          expect(place.snapshot()).toEqual(before);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("planned tells the same as done and changes nothing", async () => {
    place.write(place.settings, USERS);
    const before = place.snapshot();
    const planned = await planHooks(place.host(), false);
    expect(place.snapshot()).toEqual(before);
    expect(place.writes).toEqual([]);
    const done = await applyHooks(place.host());
    expect(done.files).toEqual(planned.files);
    const installed = place.snapshot();
    const removal = await planHooks(place.host(), true);
    expect(place.snapshot()).toEqual(installed);
    expect((await removeHooks(place.host())).files).toEqual(removal.files);
  });

  it("into a folder that is not there makes folder and file, and removing takes both away", async () => {
    mkdirSync(place.stateDir);
    const before = place.snapshot();
    expect(actions(await applyHooks(place.host()))).toEqual(["script CREATE", "claude CREATE"]);
    expect(lstatSync(place.settings).mode & 0o777).toBe(0o600);
    expect(actions(await removeHooks(place.host()))).toEqual(["claude REMOVE", "script REMOVE"]);
    expect(place.snapshot()).toEqual(before);
  });

  it("leaves a folder of ours that others have come to use", async () => {
    await applyHooks(place.host());
    place.write(join(place.home, ".claude", "other.json"), "{}");
    await removeHooks(place.host());
    expect(readdirSync(join(place.home, ".claude"))).toEqual(["other.json"]);
  });

  it("keeps mode, owner, and a symbolic link with its target's place", async () => {
    const real = join(place.home, "dotfiles", "claude.json");
    place.write(real, USERS, 0o640);
    chmodSync(real, 0o640);
    if (process.getuid?.() === 0) chownSync(real, 12345, 54321);
    const owner = lstatSync(real);
    mkdirSync(join(place.home, ".claude"));
    symlinkSync("../dotfiles/claude.json", place.settings);
    await applyHooks(place.host());
    expect(lstatSync(place.settings).isSymbolicLink()).toBe(true);
    const after = lstatSync(real);
    expect([after.mode, after.uid, after.gid]).toEqual([owner.mode, owner.uid, owner.gid]);
    expect(read(real)).toContain("agtmux-hook");
    await removeHooks(place.host());
    expect(lstatSync(place.settings).isSymbolicLink()).toBe(true);
    expect(read(real)).toBe(USERS);
    const restored = lstatSync(real);
    expect([restored.mode, restored.uid, restored.gid]).toEqual([owner.mode, owner.uid, owner.gid]);
    expect(readdirSync(join(place.home, "dotfiles"))).toEqual(["claude.json"]);
  });

  it.each<[string, () => void, RegExp]>([
    ["is not JSON", () => place.write(place.settings, '{"a": '), /not JSON/u],
    ["is a list", () => place.write(place.settings, "[]"), /not an object/u],
    ["is not UTF-8", () => place.write(place.settings, Buffer.from([0x7b, 0xff, 0x7d])), /UTF-8/u],
    ["has hooks of another shape", () => place.write(place.settings, '{"hooks": {"Stop": 1}}'), /no list/u],
    [
      "is read-only",
      () => {
        place.write(place.settings, USERS);
        chmodSync(place.settings, 0o444);
      },
      /read-only/u,
    ],
    ["is a folder", () => mkdirSync(place.settings, { recursive: true }), /regular file/u],
    ["is larger than 4 MiB", () => place.write(place.settings, `"${"x".repeat(5_000_000)}"`), /larger/u],
    [
      "is a link that leads nowhere",
      () => {
        mkdirSync(join(place.home, ".claude"));
        symlinkSync("nowhere", place.settings);
      },
      /leads nowhere/u,
    ],
  ])("leaves a file alone that %s, says why, and serves the other agents", async (_name, make, reason) => {
    make();
    mkdirSync(join(place.home, ".codex"));
    const before = place.snapshot(join(place.home, ".claude"));
    const outcome = await applyHooks(place.host({ agents: [] }));
    expect(actions(outcome)).toEqual(["script CREATE", "codex CREATE", "claude UNCHANGED"]);
    expect(outcome.refusals).toHaveLength(1);
    expect(outcome.refusals[0]).toMatchObject({ agentType: "claude", code: ErrorCode.E_PRECONDITION_FAILED });
    expect(outcome.refusals[0]?.message).toMatch(reason);
    expect(outcome.files[2]?.summary).toMatch(reason);
    expect(place.snapshot(join(place.home, ".claude"))).toEqual(before);
  });

  it("writes no script for a file that is refused", async () => {
    place.write(place.settings, "[]");
    const outcome = await applyHooks(place.host());
    expect(outcome.refusals).toHaveLength(1);
    expect(existsSync(place.scriptPath)).toBe(false);
    expect(await state()).toBe("UNREADABLE");
  });

  it("without names serves the agents whose folder or binary is there", async () => {
    mkdirSync(join(place.home, ".codex"));
    expect(actions(await planHooks(place.host({ agents: [] }), false))).toEqual([
      "script CREATE",
      "codex CREATE",
    ]);
    place.write(join(place.root, "bin", "claude"), "");
    const environment = { PATH: `relative:/nonexistent:${join(place.root, "bin")}` };
    const found = await planHooks(place.host({ agents: [], environment }), false);
    expect(actions(found)).toEqual(["script CREATE", "claude CREATE", "codex CREATE"]);
  });

  it("follows the variables that move an agent's configuration, and refuses a relative one", async () => {
    const folder = join(place.root, "moved");
    await applyHooks(place.host({ environment: { CLAUDE_CONFIG_DIR: `${folder}/` } }));
    expect(readdirSync(folder)).toEqual(["settings.json"]);
    const { refusals } = await applyHooks(place.host({ environment: { CLAUDE_CONFIG_DIR: "x/y" } }));
    expect(refusals[0]?.code).toBe(ErrorCode.E_INVALID_ARGUMENT);
  });

  it("refuses an agent that has no hooks", async () => {
    await expect(applyHooks(place.host({ agents: ["claude", "emacs"] }))).rejects.toThrow(
      /no hooks are known/u,
    );
    expect(place.writes).toEqual([]);
  });

  it("at the same time from two callers ends as one install", async () => {
    place.write(place.settings, USERS);
    await Promise.all([
      applyHooks(place.host()),
      applyHooks(place.host()),
      applyHooks(place.host({ agents: ["codex"] })),
    ]);
    await removeHooks(place.host({ agents: [] }));
    expect(read()).toBe(USERS);
    expect(existsSync(join(place.home, ".codex"))).toBe(false);
  });
});

describe("a user's edit after the install", () => {
  beforeEach(async () => {
    place.write(place.settings, USERS);
    await applyHooks(place.host());
  });

  it("is kept by a removal, which takes out exactly our entries", async () => {
    writeFileSync(place.settings, read().replace('"opus"', '"sonnet" /* cheaper */'));
    expect(actions(await removeHooks(place.host()))).toEqual(["claude STRIP", "script REMOVE"]);
    expect(read()).toBe(USERS.replace('"opus"', '"sonnet" /* cheaper */'));
    expect(existsSync(join(place.stateDir, "hooks"))).toBe(false);
  });

  it("is kept by an update too, and by the removal after it", async () => {
    writeFileSync(place.settings, read().replace('"opus"', '"sonnet"'));
    const plans = [{ agentType: "claude", plan: { ...CLAUDE, entries: CLAUDE.entries.slice(1) } }];
    expect(actions(await applyHooks(place.host({ plans })))).toEqual(["script UNCHANGED", "claude UPDATE"]);
    await removeHooks(place.host({ plans }));
    expect(read()).toBe(USERS.replace('"opus"', '"sonnet"'));
  });

  it("that takes our entries out is repaired by an install, and undone by its removal", async () => {
    writeFileSync(place.settings, '{"model": "x"}');
    expect(await state()).toBe("ABSENT");
    expect(actions(await removeHooks(place.host()))).toEqual(["claude UNCHANGED", "script REMOVE"]);
    await applyHooks(place.host());
    expect(await state()).toBe("CURRENT");
    await removeHooks(place.host());
    expect(read()).toBe('{"model": "x"}');
  });

  it("that removes the whole file is no fault", async () => {
    rmSync(place.settings);
    expect(actions(await removeHooks(place.host()))).toEqual(["claude UNCHANGED", "script REMOVE"]);
    expect(existsSync(join(place.stateDir, "hooks"))).toBe(false);
  });

  it("in a file that we made keeps the file only if something is left in it", async () => {
    await applyHooks(place.host({ agents: ["codex"] }));
    writeFileSync(place.codexHooks, `${read(place.codexHooks)}\n\n`);
    await removeHooks(place.host({ agents: ["codex"] }));
    expect(existsSync(join(place.home, ".codex"))).toBe(false);
    await applyHooks(place.host({ agents: ["codex"] }));
    writeFileSync(place.codexHooks, read(place.codexHooks).replace("{", '{ "x": 1,'));
    await removeHooks(place.host({ agents: ["codex"] }));
    expect(JSON.parse(read(place.codexHooks))).toEqual({ x: 1 });
  });

  it("between two versions of ours does not hide an older version's backup when there was no edit", async () => {
    const plans = [{ agentType: "claude", plan: { ...CLAUDE, entries: CLAUDE.entries.slice(0, 1) } }];
    expect((await hookStatus(place.host({ plans }))).agents[0]?.state).toBe(HookInstallState.OUTDATED);
    await applyHooks(place.host({ plans }));
    expect(actions(await removeHooks(place.host({ plans })))).toEqual(["claude RESTORE", "script REMOVE"]);
    expect(read()).toBe(USERS);
  });

  it("while the backup is damaged or lost still leaves exactly the user's entries", async () => {
    const folder = join(place.stateDir, "hooks", "backup");
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), "torn");
    expect(actions(await removeHooks(place.host()))).toEqual(["claude STRIP", "script REMOVE"]);
    expect(existsSync(join(place.stateDir, "hooks"))).toBe(false);
    expect(read()).toBe(USERS);
  });
});

describe("a program that writes the file at the same time", () => {
  it("once: its change is kept and ours comes on top", async () => {
    place.write(place.settings, USERS);
    let left = 1;
    const intercept = (operation: string, path: string): void => {
      if (operation !== "writeFile" || !path.startsWith(place.settings) || left-- <= 0) return;
      writeFileSync(place.settings, USERS.replace("opus", "haiku"));
    };
    expect(actions(await applyHooks(place.host({ intercept })))).toEqual(["script CREATE", "claude UPDATE"]);
    expect(read()).toContain("haiku");
    expect(await state()).toBe("CURRENT");
    await removeHooks(place.host());
    expect(read()).toBe(USERS.replace("opus", "haiku"));
  });

  it("again and again: it wins, and the user is told", async () => {
    place.write(place.settings, USERS);
    let count = 0;
    const intercept = (operation: string, path: string): void => {
      if (operation === "writeFile" && path.startsWith(place.settings)) {
        writeFileSync(place.settings, USERS.replace("opus", `m${++count}`));
      }
    };
    const { refusals } = await applyHooks(place.host({ intercept }));
    expect(refusals[0]?.message).toMatch(/changed by another program/u);
    expect(count).toBe(2);
    expect(read()).toBe(USERS.replace("opus", "m2"));
    expect(readdirSync(join(place.home, ".claude"))).toEqual(["settings.json"]);
  });
});

describe("a crash at any step", () => {
  class Crash extends Error {}

  /** Runs with a crash before the n-th change through the port and after it nothing; false if it got through. */
  async function crashAt(
    step: number,
    run: (intercept: (operation: string) => void) => Promise<unknown>,
  ): Promise<boolean> {
    let left = step;
    let dead = false;
    const intercept = (operation: string): void => {
      if (dead || (operation !== "readFile" && left-- === 0)) {
        dead = true;
        throw new Crash();
      }
    };
    try {
      await run(intercept);
      return false;
    } catch (cause) {
      if (!(cause instanceof Crash)) throw cause;
      return true;
    }
  }

  it("of an install leaves the old bytes or the new, and both install and removal work afterwards", async () => {
    place.write(place.settings, USERS);
    await applyHooks(place.host());
    const installed = read();
    await removeHooks(place.host());
    let step = 0;
    for (; ; step++) {
      const again = step % 2 === 0;
      if (!(await crashAt(step >> 1, (intercept) => applyHooks(place.host({ intercept }))))) break;
      expect([USERS, installed]).toContain(read());
      if (again) {
        await applyHooks(place.host());
        expect(read()).toBe(installed);
      }
      await removeHooks(place.host());
      expect(read()).toBe(USERS);
      expect(readdirSync(join(place.home, ".claude"))).toEqual(["settings.json"]);
      expect(existsSync(join(place.stateDir, "hooks"))).toBe(false);
      rmSync(place.stateDir, { recursive: true, force: true });
    }
    expect(step).toBeGreaterThan(12);
  });

  it("of a removal leaves the old bytes or the new, and removing again ends it", async () => {
    place.write(place.settings, USERS);
    let step = 0;
    for (; ; step++) {
      await applyHooks(place.host());
      const installed = read();
      if (!(await crashAt(step, (intercept) => removeHooks(place.host({ intercept }))))) break;
      expect([USERS, installed]).toContain(read());
      await removeHooks(place.host());
      expect(read()).toBe(USERS);
      expect(existsSync(join(place.stateDir, "hooks"))).toBe(false);
    }
    expect(step).toBeGreaterThan(3);
  });

  it("of an install into nothing leaves nothing that a removal does not take away", async () => {
    mkdirSync(place.stateDir);
    for (let step = 0; ; step++) {
      if (!(await crashAt(step, (intercept) => applyHooks(place.host({ intercept }))))) break;
      await applyHooks(place.host());
      await removeHooks(place.host());
      expect(existsSync(place.settings)).toBe(false);
      rmSync(join(place.home, ".claude"), { recursive: true, force: true });
    }
  });
});

describe("Codex' trust", () => {
  const config = (): string => join(place.home, ".codex", "config.toml");
  const record = (event: string, group: number, line = 'trusted_hash = "sha256:ab"'): string =>
    `[hooks.state."${place.codexHooks}:${event}:${group}:0"]\n${line}\n`;
  const TRUSTED = (group = 0): string =>
    ["session_start", "pre_tool_use", "stop"].map((event) => record(event, group)).join("\n");
  const host = () => place.host({ agents: ["codex"] });

  it("is asked for after an install: hooks without its records are inactive", async () => {
    const outcome = await applyHooks(host());
    expect(outcome.traces).toMatchObject([{ agentType: "codex", message: CODEX.notice }]);
    expect(await state("codex")).toBe("INACTIVE");
    writeFileSync(config(), `model = "x"\n${TRUSTED()}`);
    expect(await state("codex")).toBe("CURRENT");
    writeFileSync(config(), TRUSTED().replace("sha256:", "md5:"));
    expect(await state("codex")).toBe("INACTIVE");
    writeFileSync(config(), `${TRUSTED()}enabled = false\n`);
    expect(await state("codex")).toBe("INACTIVE");
    writeFileSync(config(), `${TRUSTED()}[features]\nhooks = false\n`);
    expect(await state("codex")).toBe("INACTIVE");
    writeFileSync(config(), TRUSTED(1));
    expect(await state("codex")).toBe("INACTIVE");
  });

  it("is found by our place behind the user's groups, and told as a trace that stays; its file is never written", async () => {
    const users = { hooks: [{ type: "command", command: "x" }] };
    place.write(
      place.codexHooks,
      JSON.stringify({ hooks: { Stop: [users], SessionStart: [users], PreToolUse: [users] } }),
    );
    await applyHooks(host());
    writeFileSync(config(), TRUSTED(0) + TRUSTED(1));
    const before = lstatSync(config());
    const { traces } = await hookStatus(host());
    expect(traces.map(({ path }) => path)).toEqual([config(), config(), config()]);
    expect(traces.some(({ message }) => message.includes(`${place.codexHooks}:session_start:1:0`))).toBe(
      true,
    );
    expect((await removeHooks(host())).traces).toHaveLength(3);
    const { ino, mtimeMs } = lstatSync(config());
    expect({ ino, mtimeMs }).toEqual({ ino: before.ino, mtimeMs: before.mtimeMs });
  });

  it("of hooks that the user added behind ours is lost by a removal, and the user is told", async () => {
    await applyHooks(host());
    const edited: { hooks: Record<string, unknown[]> } = JSON.parse(read(place.codexHooks));
    edited.hooks["Stop"]?.push({ hooks: [{ type: "command", command: "x" }] });
    writeFileSync(place.codexHooks, JSON.stringify(edited));
    writeFileSync(config(), TRUSTED());
    const { traces } = await removeHooks(host());
    expect(traces.some(({ message }) => message.includes("review"))).toBe(true);
  });

  it("keeps to our commands: they are the same bytes after any number of installs and removals", async () => {
    await applyHooks(host());
    const first = read(place.codexHooks);
    await removeHooks(host());
    await applyHooks(host());
    expect(read(place.codexHooks)).toBe(first);
    expect(first).toContain(JSON.stringify(`'${place.scriptPath.replace("'", "'\\''")}' codex Stop`));
  });
});

describe("the status", () => {
  it("is inactive when Claude's hooks are all disabled", async () => {
    place.write(place.settings, '{"disableAllHooks": true}');
    expect(await state()).toBe("ABSENT");
    await applyHooks(place.host());
    expect(await state()).toBe("INACTIVE");
  });

  it("is outdated when an entry differs or the script is gone or another", async () => {
    await applyHooks(place.host());
    writeFileSync(place.settings, read().replace('"timeout": 5', '"timeout": 6'));
    expect(await state()).toBe("OUTDATED");
    await applyHooks(place.host());
    writeFileSync(place.scriptPath, "#!/bin/sh\n");
    expect(await state()).toBe("OUTDATED");
    expect(actions(await applyHooks(place.host()))).toEqual(["script UPDATE", "claude UNCHANGED"]);
    rmSync(place.scriptPath);
    expect(await state()).toBe("OUTDATED");
  });

  it("lists every agent by name, present or not, and entries of another state directory", async () => {
    const other = join(place.root, "other");
    await applyHooks(place.host({ stateDir: other, scriptPath: join(other, "hooks", "agtmux-hook") }));
    const { agents, traces } = await hookStatus(place.host({ agents: [] }));
    expect(agents.map(({ agentType, agentPresent, state: now }) => [agentType, agentPresent, now])).toEqual([
      ["claude", true, HookInstallState.ABSENT],
      ["codex", false, HookInstallState.ABSENT],
    ]);
    expect(traces[0]?.message).toContain(join(other, "hooks", "agtmux-hook"));
  });
});

describe("removing hooks", () => {
  it("of one agent keeps the script while another uses it", async () => {
    await applyHooks(place.host({ agents: ["claude", "codex"] }));
    expect(actions(await removeHooks(place.host()))).toEqual(["claude REMOVE", "script UNCHANGED"]);
    expect(existsSync(place.scriptPath)).toBe(true);
    expect(actions(await removeHooks(place.host({ agents: [] })))).toEqual(["codex REMOVE", "script REMOVE"]);
  });

  it("keeps the script while a file that cannot be read may name it", async () => {
    await applyHooks(place.host());
    renameSync(place.settings, `${place.settings}.old`);
    writeFileSync(place.settings, "{");
    const outcome = await removeHooks(place.host());
    expect(outcome.refusals).toHaveLength(1);
    expect(existsSync(place.scriptPath)).toBe(true);
  });

  it("where nothing is installed does nothing", async () => {
    expect(actions(await removeHooks(place.host({ agents: [] })))).toEqual([]);
    expect(place.writes).toEqual([]);
  });
});
