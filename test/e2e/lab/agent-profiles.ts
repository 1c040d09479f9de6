import type { AgentProfile } from "./agent-driver.js";

/** Claude Code 2.1.330. */
export const claudeProfile: AgentProfile = {
  command: "claude",
  ready: /\? for shortcuts|(?:manual|plan) mode on/,
  dialog: /Do you want to |Exit plan mode\?|Enter to select/,
  approveOption: /^Yes$|^Yes, and switch to default/,
  denyOption: /^No\b/,
  startDialogs: [
    { shown: /Make auto mode your default permission mode\?/, choose: /^No, keep manual mode/ },
    { shown: /Yes, I trust this folder/, choose: /^Yes, I trust this folder/ },
    { shown: /Do you want to use this API key\?/, choose: /^Yes\b/ },
  ],
  isAgentProcess: (args) => /(^|\/)claude(\s|$)/.test(args),
};

/** Codex 0.169.0. */
export const codexProfile: AgentProfile = {
  command: "codex",
  // The line with the model appears once the thread is there; the prompt alone is drawn seconds earlier.
  ready: /^\s*GPT-5\.5 \w+ · /m,
  dialog: /Would you like to |Question \d+\/\d+/,
  approveOption: /^Yes, proceed/,
  denyOption: /^No\b/,
  startDialogs: [
    { shown: /Hooks need review/, choose: /^Trust all/ },
    { shown: /Do you trust the contents of this directory/, choose: /^Yes\b/ },
    { shown: /Try new model/, choose: /^(Use|Keep) (existing|current) model/ },
  ],
  // Neither the node launcher nor the daemon's processes, which are children of the first terminal's process.
  isAgentProcess: (args) => /^\S*\/bin\/codex(\s|$)/.test(args) && !/ app-server /.test(args),
};
