import type { ScreenPatterns, ScreenRule } from "../screen-patterns.js";

/** Lines that begin something else than the continuation of an error's text. */
const OTHER_BLOCK = "^(?:[•◦›✔✗] |\\s+Worked for |\\s+└ )";

/**
 * A red line that ended the turn, right above the input; it may be wrapped. One rule per height, so that nothing
 * older is within reach.
 */
function endLine(id: string, height: number, rule: Pick<ScreenRule, "state" | "reason" | "all">): ScreenRule {
  return {
    id: `${id}-${height}`,
    region: "above-input",
    lines: height,
    none: height === 1 ? [] : [OTHER_BLOCK],
    conclusive: true,
    ...rule,
  };
}

const INTERRUPTED = { state: "idle", reason: "interrupted", all: ["^■ Conversation interrupted"] } as const;
const FAILED = {
  state: "error",
  reason: "api_error",
  all: ["^■ (?!Conversation interrupted)\\S"],
} as const;

/**
 * What Codex's screen shows, measured with 0.169.0. While an answer streams nothing on it tells of a turn, so there
 * is no rule for a bare input prompt. First match wins.
 */
export const CODEX_SCREEN: ScreenPatterns = {
  version: "0.169.0-1",
  inputBox: { prompt: "^› " },
  rules: [
    {
      id: "transcript",
      state: "unknown",
      reason: "transcript_open",
      region: "tail",
      lines: 3,
      all: ["\\bq to quit\\b|\\bq/esc\\b.*\\bclose\\b"],
      conclusive: false,
    },
    {
      id: "locked",
      state: "waiting_input",
      reason: "open_elsewhere",
      region: "tail",
      lines: 6,
      all: ["This conversation is open in another app", "r retry"],
      conclusive: true,
      dialogFrom: "This conversation is open in another app",
    },
    {
      id: "hooks-review",
      state: "waiting_input",
      reason: "hooks_review",
      region: "tail",
      lines: 12,
      all: ["^\\s*Hooks need review", "^\\s*(?:› )?\\d\\. Trust all and continue"],
      conclusive: true,
      dialogFrom: "^\\s*Hooks need review",
    },
    {
      id: "trust",
      state: "waiting_input",
      reason: "trust_dialog",
      region: "tail",
      lines: 20,
      all: ["Do you trust the contents of this directory", "^\\s*(?:› )?1\\. "],
      conclusive: true,
      dialogFrom: "Do you trust the contents of this directory",
    },
    {
      id: "new-model",
      state: "waiting_input",
      reason: "model_choice",
      region: "tail",
      lines: 12,
      all: ["^\\s*(?:› )?\\d\\. Try new model", "^\\s*(?:› )?\\d\\. (?:Use|Keep) (?:existing|current) model"],
      conclusive: true,
    },
    {
      id: "login",
      state: "waiting_input",
      reason: "login",
      region: "tail",
      lines: 30,
      all: ["^\\s*(?:[›>] )?\\d\\. Sign in with ", "[Uu]se (?:an|your own) (?:OpenAI )?API key|Sign in another way"],
      conclusive: true,
    },
    {
      id: "plan",
      state: "waiting_approval",
      reason: "plan_approval",
      region: "tail",
      lines: 16,
      all: ["^\\s*Implement this plan\\?", "^\\s*(?:› )?1\\. Yes, implement this plan"],
      conclusive: true,
      dialogFrom: "^\\s*Implement this plan\\?",
    },
    {
      id: "approval",
      state: "waiting_approval",
      reason: "permission_request",
      region: "tail",
      lines: 30,
      all: [
        "^\\s*(?:Would you like to |Do you want to )",
        "^\\s*(?:› )?1\\. Yes,? ",
        "^\\s*Press enter to confirm or esc to cancel",
      ],
      conclusive: true,
      dialogFrom: "^\\s*(?:Would you like to |Do you want to )",
    },
    {
      id: "question",
      state: "waiting_input",
      reason: "question",
      region: "tail",
      lines: 24,
      all: ["^\\s*Question \\d+/\\d+", "enter to submit (?:answer|all)"],
      conclusive: true,
      dialogFrom: "^\\s*Question \\d+/\\d+",
    },
    {
      id: "menu",
      state: "waiting_input",
      reason: "dialog_open",
      region: "tail",
      lines: 16,
      all: ["^\\s*(?:Press enter to (?:confirm|select|continue)|enter(?:/esc)? (?:confirm|select)\\b)", "^› \\d+\\. "],
      conclusive: true,
    },
    {
      id: "working",
      state: "running",
      reason: "turn",
      region: "above-input",
      lines: 10,
      all: ["^[•◦] \\S.* \\(\\d[\\dhms ]*• esc to interrupt\\)"],
      conclusive: false,
    },
    endLine("interrupted", 1, INTERRUPTED),
    endLine("interrupted", 2, INTERRUPTED),
    ...[1, 2, 3, 4, 5].map((height) => endLine("error", height, FAILED)),
    {
      id: "done",
      state: "completed",
      reason: "turn_end",
      region: "above-input",
      lines: 1,
      all: ["^\\s+Worked for <?\\d.* • \\d"],
      conclusive: true,
    },
    {
      id: "fresh",
      state: "idle",
      reason: "fresh",
      region: "above-input",
      lines: 40,
      all: ["^\\s+>_ OpenAI Codex \\(v"],
      none: ["^[›■] ", "^\\s+Worked for "],
      conclusive: true,
    },
  ],
};
