import { createHash } from "node:crypto";
import type { Transition } from "../../engine/event.js";
import { field, stringField } from "../../payload.js";
import type { Normalized, RawSignal } from "../contract.js";

/** Codex asks its model for a task title in a hidden thread, whose turn's end reaches `notify` like any other. */
const TITLE_REQUEST = "Generate a concise";
const QUESTION_TOOL = "request_user_input";

/** Names a tool call by what it was asked to do: PermissionRequest has no tool_use_id. */
function subject(payload: unknown): string {
  const command = field(field(payload, "tool_input"), "command");
  if (command === undefined) return "";
  const text = typeof command === "string" ? command.trim() : JSON.stringify(command);
  return createHash("sha256")
    .update(`${stringField(payload, "tool_name")}\n${text}`)
    .digest("hex")
    .slice(0, 16);
}

function hookTransition(event: string, payload: unknown): Transition | "unknown" {
  const turn = stringField(payload, "turn_id");
  // A sub-agent's own doings keep the main agent's state; its dialogs are shown to the user like any other.
  const subagent = stringField(payload, "agent_id") !== "";
  switch (event) {
    case "SessionStart":
      return { kind: "session_start", attributes: { source: stringField(payload, "source") } };
    case "PermissionRequest":
      return { kind: "permission", attributes: { turn, dialog: "tool", subject: subject(payload) } };
    case "SubagentStart":
      return { kind: "activity", attributes: { turn } };
    case "SessionEnd":
    case "SubagentStop":
      return { kind: "noted" };
  }
  if (subagent) return KNOWN.has(event) ? { kind: "noted" } : "unknown";
  switch (event) {
    case "UserPromptSubmit":
      return { kind: "prompt", attributes: { turn } };
    case "PreModelRequest":
      return { kind: "model_request", attributes: { turn } };
    case "PostModelRequest":
      return modelAnswer(stringField(payload, "status"), turn);
    case "PreToolUse":
      return stringField(payload, "tool_name") === QUESTION_TOOL
        ? { kind: "permission", attributes: { turn, dialog: "question", subject: "" } }
        : { kind: "tool_start", attributes: { turn } };
    case "PostToolUse":
      return { kind: "tool_end", attributes: { turn, subject: subject(payload) } };
    case "PreCompact":
    case "PostCompact":
      return { kind: "activity", attributes: { turn } };
    case "Stop":
      return { kind: "stop", attributes: { turn } };
    case "Interrupt":
      return { kind: "interrupt", attributes: { turn } };
    default:
      return "unknown";
  }
}

const KNOWN = new Set([
  "UserPromptSubmit",
  "PreModelRequest",
  "PostModelRequest",
  "PreToolUse",
  "PostToolUse",
  "PreCompact",
  "PostCompact",
  "Stop",
  "Interrupt",
]);

function modelAnswer(status: string, turn: string): Transition {
  switch (status) {
    case "failed":
      return { kind: "model_failed", attributes: { turn } };
    case "cancelled":
      return { kind: "noted" }; // Interrupt or a steering prompt tells why, before or after this
    default:
      return { kind: "activity", attributes: { turn } };
  }
}

/** `notify`'s one kind of message: JSON as the program's last argument. */
function normalizeNotify(payload: unknown): Normalized {
  const facts = {
    agentSessionId: stringField(payload, "thread-id") || undefined,
    cwd: stringField(payload, "cwd") || undefined,
  };
  if (stringField(payload, "type") !== "agent-turn-complete") return facts;
  const messages = field(payload, "input-messages");
  const [first]: unknown[] = Array.isArray(messages) ? messages : [];
  if (typeof first === "string" && first.startsWith(TITLE_REQUEST)) return { foreign: true };
  return { ...facts, transition: { kind: "stop", attributes: { turn: stringField(payload, "turn-id") } } };
}

/**
 * Normalises what Codex's hooks and its notify program are given. `session_id` and `thread-id` are the thread's id,
 * the only thing in them that tells the terminal (see thread-map.ts).
 */
export function normalizeCodex(signal: RawSignal): Normalized {
  const { payload } = signal;
  if (signal.source === "notify") return normalizeNotify(payload);
  const made = hookTransition(signal.eventType, payload);
  const facts = {
    agentSessionId: stringField(payload, "session_id") || undefined,
    cwd: stringField(payload, "cwd") || undefined,
  };
  return made === "unknown" ? facts : { ...facts, transition: made };
}
