import type { Transition } from "../../engine/event.js";
import { field, stringField } from "../../payload.js";
import type { Normalized, RawSignal } from "../contract.js";

/** Tool that asks the user a question; it goes through PermissionRequest as well. */
const QUESTION_TOOL = "AskUserQuestion";
const PLAN_TOOL = "ExitPlanMode";

const SHELLS: readonly string[] = ["shell", "local_bash"];

/** What a Stop leaves running: background agents keep a turn open, background shells do not. */
function background(payload: unknown): { readonly agents: number; readonly shells: number } {
  const tasks = field(payload, "background_tasks");
  if (!Array.isArray(tasks)) return { agents: 0, shells: 0 };
  const running = tasks.filter((task) => ["", "running"].includes(stringField(task, "status")));
  const shells = running.filter((task) => SHELLS.includes(stringField(task, "type"))).length;
  return { agents: running.length - shells, shells };
}

function notification(type: string): Transition | undefined {
  switch (type) {
    case "permission_prompt":
    case "worker_permission_prompt":
      return { kind: "permission_reminder" };
    case "elicitation_dialog":
    case "elicitation_url_dialog":
      return { kind: "permission_reminder", attributes: { dialog: "elicitation" } };
    case "elicitation_complete":
    case "elicitation_response":
    case "quota_auto_resume_fired":
      return { kind: "activity" };
    case "quota_auto_resume_stale":
      return { kind: "permission_reminder", attributes: { dialog: "quota" } };
    case "idle_prompt":
      return { kind: "idle_notice" };
    default:
      return undefined;
  }
}

function transition(event: string, payload: unknown): Transition | "nothing" | "unknown" {
  // Present on everything that a sub-agent fires.
  const subagent = stringField(payload, "agent_id") !== "";
  switch (event) {
    case "SessionStart":
      return { kind: "session_start", attributes: { source: stringField(payload, "source") } };
    case "SessionEnd":
      return { kind: "session_end", attributes: { reason: stringField(payload, "reason") } };
    case "UserPromptSubmit":
    case "UserPromptExpansion":
      if (event === "UserPromptExpansion") return { kind: "activity" };
      return { kind: "prompt", attributes: { turn: stringField(payload, "prompt_id") } };
    case "PreToolUse":
    case "PostToolUse":
    case "PostToolUseFailure":
    case "PostToolBatch":
    case "PermissionDenied":
    case "PostModelSwitch":
    case "PreModelSwitch":
    case "TaskCreated":
    case "TaskCompleted":
    case "SubagentStart":
      return { kind: "activity", attributes: { event, subagent } };
    case "PermissionRequest": {
      const tool = stringField(payload, "tool_name");
      const dialog = tool === QUESTION_TOOL ? "question" : tool === PLAN_TOOL ? "plan" : "tool";
      return { kind: "permission", attributes: { dialog, tool } };
    }
    case "Elicitation":
      return { kind: "permission", attributes: { dialog: "elicitation" } };
    case "ElicitationResult":
      return { kind: "activity" };
    case "Notification":
      return notification(stringField(payload, "notification_type")) ?? "nothing";
    case "Stop":
      return { kind: "stop", attributes: background(payload) };
    case "StopFailure":
      return { kind: "stop_failure", attributes: { error: stringField(payload, "error") } };
    case "PreCompact":
      return { kind: "activity", attributes: { event } };
    case "PostCompact":
      return { kind: "compacted", attributes: { trigger: stringField(payload, "trigger") } };
    case "SubagentStop":
    case "MessageDisplay":
    case "CwdChanged":
    case "ConfigChange":
    case "FileChanged":
    case "InstructionsLoaded":
    case "DirectoryAdded":
    case "Setup":
    case "TeammateIdle":
    case "WorktreeCreate":
    case "WorktreeRemove":
      return "nothing";
    default:
      return "unknown";
  }
}

/** Normalises a hook payload of Claude Code. A hook that Cursor or Copilot ran from Claude's settings is foreign. */
export function normalizeClaude(signal: RawSignal): Normalized {
  const { payload } = signal;
  if (stringField(payload, "cursor_version") !== "" || stringField(payload, "sessionId") !== "") {
    return { foreign: true };
  }
  const facts = {
    agentSessionId: stringField(payload, "session_id") || undefined,
    cwd: stringField(payload, "cwd") || undefined,
  };
  const made = transition(signal.eventType, payload);
  if (made === "unknown") return facts;
  // Known and without effect: a sign of life all the same.
  return { ...facts, transition: made === "nothing" ? { kind: "noted" } : made };
}
