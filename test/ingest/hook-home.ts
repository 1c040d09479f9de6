import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { HookPlan } from "../../src/server/adapters/contract.js";
import type { HookFiles } from "../../src/server/ingest/hook-file.js";
import type { HookHost } from "../../src/server/ingest/hook-look.js";
import { localHookFiles } from "../../src/server/ingest/local-hook-files.js";

export const CLAUDE: HookPlan = {
  file: "settings.json",
  folder: ".claude",
  folderVariable: "CLAUDE_CONFIG_DIR",
  format: "claude-hooks-json",
  entries: [
    { event: "SessionStart", timeoutSeconds: 5 },
    { event: "PreToolUse", matcher: "*", timeoutSeconds: 5 },
    { event: "Stop", timeoutSeconds: 5 },
  ],
  binaries: ["claude"],
  notice: "",
};

export const CODEX: HookPlan = {
  ...CLAUDE,
  file: "hooks.json",
  folder: ".codex",
  folderVariable: "CODEX_HOME",
  binaries: ["codex"],
  notice: "Codex asks once to review its hooks",
};

/** What a write through the port may do next, in tests of crashes and races. */
export type Intercept = (operation: string, path: string) => void;

const WRITES = ["writeFile", "rename", "mkdir", "unlink", "rmdir"] as const;

/** A home directory with agents' configuration, and the daemon's state directory beside it. */
export class HookHome {
  readonly root = mkdtempSync(join(tmpdir(), "agtmux-hooks-"));
  readonly home = join(this.root, "home");
  readonly stateDir = join(this.root, "it's state");
  readonly scriptPath = join(this.stateDir, "hooks", "agtmux-hook");
  readonly settings = join(this.home, ".claude", "settings.json");
  readonly codexHooks = join(this.home, ".codex", "hooks.json");
  /** Every change that was made through the port. */
  readonly writes: string[] = [];

  constructor() {
    mkdirSync(this.home);
  }

  host(options: Partial<HookHost> & { readonly intercept?: Intercept } = {}): HookHost {
    const { intercept, ...rest } = options;
    return {
      files: this.watched(intercept),
      home: this.home,
      environment: {},
      stateDir: this.stateDir,
      scriptPath: this.scriptPath,
      plans: [
        { agentType: "claude", plan: CLAUDE },
        { agentType: "codex", plan: CODEX },
      ],
      agents: ["claude"],
      ...rest,
    };
  }

  private watched(intercept: Intercept | undefined): HookFiles {
    const files = localHookFiles();
    const before = (operation: string, path: string): void => {
      intercept?.(operation, path);
      if (WRITES.some((write) => write === operation)) this.writes.push(`${operation} ${path}`);
    };
    const through =
      <A extends [string, ...unknown[]], R>(operation: string, run: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        before(operation, args[0]);
        return run(...args);
      };
    return {
      lstat: files.lstat,
      realpath: files.realpath,
      readFile: through("readFile", files.readFile),
      writeFile: through("writeFile", files.writeFile),
      rename: async (from, to) => {
        before("rename", to);
        await files.rename(from, to);
      },
      mkdir: through("mkdir", files.mkdir),
      unlink: through("unlink", files.unlink),
      rmdir: through("rmdir", files.rmdir),
    };
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode });
  }

  /** Every path under the root with its kind, mode and content. */
  snapshot(folder = this.root): Record<string, string> {
    const found: Record<string, string> = {};
    if (!existsSync(folder)) return found;
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      const facts = lstatSync(path);
      if (facts.isDirectory()) Object.assign(found, { [`${path}/`]: "" }, this.snapshot(path));
      else
        found[path] =
          `${facts.mode.toString(8)} ${facts.isFile() ? readFileSync(path).toString("latin1") : "link"}`;
    }
    return found;
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
