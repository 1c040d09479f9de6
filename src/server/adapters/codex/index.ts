import { ADAPTER_CONTRACT_VERSION, type Adapter, type HookEntry } from "../contract.js";
import { subscribeCodex } from "./app-server.js";
import type { CodexMemory } from "./memory.js";
import { normalizeCodex } from "./normalize.js";
import { identifyCodex, isCodexHelper } from "./process.js";
import { codexReducer } from "./reducer.js";
import { CODEX_SCREEN } from "./screen.js";
import { readCodexTitle } from "./title.js";

/** Codex names a hook by its place in the file and asks for trust anew when that changes: new ones go last. */
const EVENTS = [
  "SessionStart",
  "UserPromptSubmit",
  "PreModelRequest",
  "PostModelRequest",
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "PreCompact",
  "PostCompact",
  "Stop",
  "Interrupt",
  "SessionEnd",
] as const;

/** Codex itself allows these two no more. */
const SHORT = new Set<string>(["Interrupt", "SessionEnd"]);

const entries: HookEntry[] = EVENTS.map((event) => ({ event, timeoutSeconds: SHORT.has(event) ? 3 : 5 }));

/** Codex CLI: app-server first, then the title; hooks and screen for what those leave open. */
export const codexAdapter: Adapter<CodexMemory> = {
  contractVersion: ADAPTER_CONTRACT_VERSION,
  agentType: "codex",
  displayName: "Codex",
  measuredVersions: ["0.169.0"],
  capabilities: {
    eventDriven: true,
    pollingRequired: true,
    supportsWaitingApproval: true,
    supportsWaitingInput: true,
    supportsCompleted: true,
  },
  reducer: codexReducer,
  screen: CODEX_SCREEN,
  dialog: {
    approve: [
      "^Yes, proceed\\b",
      "^Yes, just this once\\b",
      "^Yes, grant these permissions for this turn$",
      "^Yes, implement this plan\\b",
    ],
    deny: [
      "^No, and tell Codex what to do differently\\b",
      "^No, continue without running it\\b",
      "^No, stay in Plan mode\\b",
    ],
    settleMs: 0,
    optionsBelow: "^\\s*(?:Would you like to |Do you want to |Implement this plan)",
    interruptKey: "Escape",
    ctrlC: { mayEnd: true, says: "ends Codex unless a turn runs, and opens a menu while one runs" },
  },
  hooks: {
    folder: ".codex",
    folderVariable: "CODEX_HOME",
    file: "hooks.json",
    format: "claude-hooks-json",
    entries,
    binaries: ["codex"],
    notice:
      'Codex asks once, at its next start, to trust them ("Hooks need review"); until then they do not run.',
  },
  // Its daemon runs the hooks of all terminals with the environment of the first.
  paneIdUnreliable: true,
  identifyProcess: identifyCodex,
  isHelper: isCodexHelper,
  normalize: normalizeCodex,
  readTitle: readCodexTitle,
  subscribe: subscribeCodex,
};
