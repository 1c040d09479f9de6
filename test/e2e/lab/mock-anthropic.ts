import { randomUUID } from "node:crypto";
import { type EventStream, type StreamPace, spokenAnswer } from "./event-stream.js";
import { asList, asRecord, asText } from "./json-view.js";
import type { Behaviour, Turn } from "./mock-behaviour.js";

/** Text that the CLI itself puts in a user message. */
const MACHINE_TEXT = /^\s*(<(system-reminder|local-command|command-)|\[Request interrupted)/;
const TASK_NOTIFICATION = "<task-notification>";
const USAGE = {
  input_tokens: 100,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: 5,
};

interface ToolUse {
  readonly name: string;
  readonly input: Record<string, unknown>;
}

/** Finds the turn of an Anthropic Messages request. */
export function readAnthropicTurn(body: Record<string, unknown>): Omit<Turn, "failedBefore"> {
  const messages = asList(body["messages"]).map(asRecord);
  const last = messages.at(-1) ?? {};
  if (JSON.stringify(last["content"] ?? "").includes(TASK_NOTIFICATION)) {
    return { prompt: "a background agent has finished", afterTool: false };
  }
  const lastParts = asList(last["content"]).map(asRecord);
  // After an interrupt the CLI sends the aborted tool result and the next prompt as one message.
  const typedToo = lastParts.some((part) => part["type"] === "text" && isTyped(asText(part["text"])));
  const afterTool = lastParts.some((part) => part["type"] === "tool_result") && !typedToo;
  return { prompt: newestPrompt(messages), afterTool };
}

/** True for the CLI's side jobs (titles, summaries), which must not act out the prompt they quote. */
export function isAnthropicSideJob(body: Record<string, unknown>): boolean {
  return asList(body["tools"]).length === 0 || body["max_tokens"] === 1;
}

/** Streams one Anthropic Messages answer. */
export async function streamAnthropic(
  stream: EventStream,
  body: Record<string, unknown>,
  behaviour: Exclude<Behaviour, { kind: "fail" }>,
  options: StreamPace & { readonly workDir: string },
): Promise<void> {
  if (behaviour.kind === "hang") return stream.hang();
  stream.write({ type: "message_start", message: emptyMessage(asText(body["model"])) });
  const talks = behaviour.kind === "text" || behaviour.kind === "slow";
  const answer = talks ? spokenAnswer(behaviour, options) : { text: "I will use a tool.", pauseMs: 0 };
  await writeText(stream, answer);
  const uses = talks ? [] : toolUses(behaviour, body, options.workDir);
  for (const [position, use] of uses.entries()) writeToolUse(stream, position + 1, use);
  stream.write({
    type: "message_delta",
    delta: { stop_reason: uses.length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
    usage: { output_tokens: 20 },
  });
  stream.write({ type: "message_stop" });
}

function newestPrompt(messages: readonly Record<string, unknown>[]): string {
  for (const message of messages.toReversed()) {
    if (message["role"] !== "user") continue;
    const typed = textParts(message["content"]).filter(isTyped).at(-1);
    if (typed !== undefined) return typed;
  }
  return "";
}

function textParts(content: unknown): readonly string[] {
  if (typeof content === "string") return [content];
  const parts = asList(content).map(asRecord);
  return parts.filter((part) => part["type"] === "text").map((part) => asText(part["text"]));
}

function isTyped(text: string): boolean {
  return !MACHINE_TEXT.test(text);
}

function emptyMessage(model: string): Record<string, unknown> {
  return {
    id: `msg_${randomUUID()}`,
    type: "message",
    role: "assistant",
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: USAGE,
  };
}

function toolUses(
  behaviour: Exclude<Behaviour, { kind: "fail" | "hang" | "text" | "slow" }>,
  body: Record<string, unknown>,
  workDir: string,
): readonly ToolUse[] {
  switch (behaviour.kind) {
    case "tool":
      return behaviour.commands.map((command) => ({
        name: "Bash",
        input: { command, description: "Mock call" },
      }));
    case "ask":
      return [{ name: "AskUserQuestion", input: { questions: [colourQuestion()] } }];
    case "edit":
      return [{ name: "Write", input: { file_path: `${workDir}/new-file.txt`, content: "new text\n" } }];
    case "plan":
      return [{ name: "ExitPlanMode", input: { plan: "# Plan\n1. Do one thing\n2. Do another" } }];
    case "agent":
      return [{ name: agentToolName(body), input: subAgentInput(behaviour.task) }];
  }
}

function colourQuestion(): Record<string, unknown> {
  return {
    question: "Which colour do you want?",
    header: "Colour",
    multiSelect: false,
    options: [
      { label: "Red", description: "a warm one" },
      { label: "Blue", description: "a cool one" },
    ],
  };
}

function agentToolName(body: Record<string, unknown>): string {
  const names = asList(body["tools"]).map((tool) => asText(asRecord(tool)["name"]));
  return names.includes("Agent") ? "Agent" : "Task";
}

function subAgentInput(task: string): Record<string, unknown> {
  return { description: "Mock sub agent", prompt: task, subagent_type: "general-purpose" };
}

async function writeText(
  stream: EventStream,
  answer: { readonly text: string; readonly pauseMs: number },
): Promise<void> {
  stream.write({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } });
  await stream.eachWord(answer.text, answer.pauseMs, (text) => {
    stream.write({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } });
  });
  stream.write({ type: "content_block_stop", index: 0 });
}

function writeToolUse(stream: EventStream, index: number, use: ToolUse): void {
  const block = { type: "tool_use", id: `toolu_${randomUUID()}`, name: use.name, input: {} };
  const delta = { type: "input_json_delta", partial_json: JSON.stringify(use.input) };
  stream.write({ type: "content_block_start", index, content_block: block });
  stream.write({ type: "content_block_delta", index, delta });
  stream.write({ type: "content_block_stop", index });
}
