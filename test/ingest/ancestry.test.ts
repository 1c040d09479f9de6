import { describe, expect, it } from "vitest";
import { claudeAdapter } from "../../src/server/adapters/claude/index.js";
import { codexAdapter } from "../../src/server/adapters/codex/index.js";
import type { Process } from "../../src/server/adapters/contract.js";
import { trustedAncestors } from "../../src/server/ingest/ancestry.js";

const NATIVE = "/opt/@openai/codex-linux-x64/bin/codex";
const DAEMON = "/home/dev/.codex/packages/app-server-daemon/releases/0.169.0/bin/codex";

/** A host with these processes: pid and words, or the state Z of one that has ended. */
function host(...rows: readonly (readonly [number, readonly string[] | "Z"])[]) {
  const table = new Map(
    rows.map(([pid, words]): [number, Process] => {
      const argv = words === "Z" ? [] : words;
      const place = { ppid: 1, pgid: pid, tty: 0, tpgid: -1, startRaw: "1", exe: "" };
      return [pid, { ...place, pid, argv, comm: "codex", state: words === "Z" ? "Z" : "S" }];
    }),
  );
  return { find: (pid: number) => table.get(pid) };
}

const HOOK_SHELL = [900, ["sh", "-c", "agtmux-hook codex"]] as const;
const SERVER = [1143, [DAEMON, "app-server", "--listen", "unix://", "--managed-daemon"]] as const;
const TERMINAL = [1070, [NATIVE]] as const;
const LAUNCHER = [1055, ["node", "/opt/.bin/codex"]] as const;

describe("the ancestors of a hook that may prove its pane", () => {
  it("end below the shared daemon: its parent is only the terminal that started it", () => {
    const table = host(HOOK_SHELL, SERVER, TERMINAL, LAUNCHER);
    expect(trustedAncestors(codexAdapter, [900, 1143, 1070, 1055], table)).toEqual([900]);
    expect(trustedAncestors(codexAdapter, [1143, 1070, 1055], table)).toEqual([]);
  });

  it("are all of them where the terminal runs its hooks itself", () => {
    const table = host(HOOK_SHELL, TERMINAL, LAUNCHER);
    expect(trustedAncestors(codexAdapter, [900, 1070, 1055], table)).toEqual([900, 1070, 1055]);
  });

  it("end at one that is gone: it may have been the daemon", () => {
    expect(trustedAncestors(codexAdapter, [900, 1143, 1070], host(HOOK_SHELL, TERMINAL))).toEqual([900]);
    expect(
      trustedAncestors(codexAdapter, [900, 1143, 1070], host(HOOK_SHELL, [1143, "Z"], TERMINAL)),
    ).toEqual([900]);
  });

  it("are taken as they are for an agent that names its pane rightly", () => {
    expect(trustedAncestors(claudeAdapter, [5, 4, 3], host())).toEqual([5, 4, 3]);
  });
});
