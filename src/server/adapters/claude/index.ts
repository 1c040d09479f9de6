import { ADAPTER_CONTRACT_VERSION, type Adapter, type HookEntry } from "../contract.js";
import { normalizeClaude } from "./normalize.js";
import { identifyClaude } from "./process.js";
import { type ClaudeMemory, claudeReducer } from "./reducer.js";
import { CLAUDE_SCREEN } from "./screen.js";
import { subscribeClaude } from "./session-file.js";

/** Hooks that carry something no other surface tells. PreToolUse and PostToolUse are signs of life of long turns. */
const EVENTS = [
  "SessionStart",
  "UserPromptSubmit",
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "PostToolUseFailure",
  "Notification",
  "Stop",
  "StopFailure",
  "SubagentStop",
  "PreCompact",
  "PostCompact",
  "SessionEnd",
] as const;

const entries: HookEntry[] = EVENTS.map((event) => ({ event, timeoutSeconds: 5 }));

/** Claude Code: session file first, hooks for how a turn ended and what a dialog is, screen for the rest. */
export const claudeAdapter: Adapter<ClaudeMemory> = {
  contractVersion: ADAPTER_CONTRACT_VERSION,
  agentType: "claude",
  displayName: "Claude Code",
  measuredVersions: ["2.1.330"],
  capabilities: {
    eventDriven: true,
    pollingRequired: true,
    supportsWaitingApproval: true,
    supportsWaitingInput: true,
    supportsCompleted: true,
  },
  reducer: claudeReducer,
  screen: CLAUDE_SCREEN,
  dialog: {
    // The latter two leave plan mode for the one that asks each time.
    approve: [
      "^Yes$",
      "^Yes, proceed$",
      "^Yes, and switch to default \\(ask each time\\)",
      "^Yes, and manually approve edits$",
    ],
    deny: ["^No$", "^No, "],
    // About 150 ms were measured.
    settleMs: 400,
    optionsBelow: "^\\s*(?:Do you want to .*|Exit plan mode|Would you like to proceed|Ready to code)\\?$",
    interruptKey: "Escape",
    runningLine: "esc to interrupt",
    ctrlC: {
      mayEnd: false,
      says: "stops a turn; at an empty prompt it takes a second one to end Claude Code",
    },
  },
  hooks: {
    folder: ".claude",
    folderVariable: "CLAUDE_CONFIG_DIR",
    file: "settings.json",
    format: "claude-hooks-json",
    entries,
    binaries: ["claude"],
    notice: "",
  },
  paneIdUnreliable: false,
  identifyProcess: identifyClaude,
  normalize: normalizeClaude,
  subscribe: subscribeClaude,
};
