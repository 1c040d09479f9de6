import { randomUUID } from "node:crypto";
import { type EventStream, type StreamPace, spokenAnswer } from "./event-stream.js";
import { asList, asRecord, asText } from "./json-view.js";
import type { Behaviour, Turn } from "./mock-behaviour.js";

/** Text that Codex itself puts in a user message. */
const MACHINE_TEXT = /^\s*(<(environment_context|user_instructions|turn_aborted|permissions)|# AGENTS)/;
const USAGE = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 120,
};
const PATCH = "*** Begin Patch\n*** Add File: new-file.txt\n+new text\n*** End Patch\n";

type Item = { readonly type: string } & Record<string, unknown>;

/** Finds the turn of an OpenAI Responses request. */
export function readResponsesTurn(body: Record<string, unknown>): Omit<Turn, "failedBefore"> {
  const input = inputItems(body);
  const afterTool = asText(input.at(-1)?.["type"]).endsWith("_output");
  return { prompt: newestPrompt(input), afterTool };
}

/** True for the thread-title request, which asks for an answer in a given format. */
export function isResponsesSideJob(body: Record<string, unknown>): boolean {
  return asRecord(body["text"])["format"] !== undefined;
}

/** Streams one OpenAI Responses answer. */
export async function streamResponses(
  stream: EventStream,
  body: Record<string, unknown>,
  behaviour: Exclude<Behaviour, { kind: "fail" }>,
  pace: StreamPace,
): Promise<void> {
  if (behaviour.kind === "hang") return stream.hang();
  const response = {
    id: `resp_${randomUUID()}`,
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    model: asText(body["model"]),
  };
  stream.write({ type: "response.created", response: { ...response, output: [], status: "in_progress" } });
  const talks = behaviour.kind === "text" || behaviour.kind === "slow";
  const answer = talks ? spokenAnswer(behaviour, pace) : { text: "I will use a tool.", pauseMs: 0 };
  const output: Item[] = [await writeMessage(stream, answer)];
  for (const call of talks ? [] : toolCalls(behaviour, offeredTools(body))) {
    writeCall(stream, output.length, call);
    output.push(call);
  }
  const completed = { ...response, output, status: "completed", usage: USAGE };
  stream.write({ type: "response.completed", response: completed });
}

function inputItems(body: Record<string, unknown>): readonly Record<string, unknown>[] {
  if (typeof body["input"] === "string") return [{ type: "message", role: "user", content: body["input"] }];
  return asList(body["input"]).map(asRecord);
}

function newestPrompt(input: readonly Record<string, unknown>[]): string {
  const typed = input
    .filter((item) => item["role"] === "user")
    .map((item) => messageText(item["content"]))
    .filter((text) => !MACHINE_TEXT.test(text));
  return typed.at(-1) ?? "";
}

function messageText(content: unknown): string {
  if (typeof content === "string") return content;
  return asList(content)
    .map((part) => asText(asRecord(part)["text"]))
    .join("\n");
}

/** Names of the offered tools. In code mode they come inside the input, and the one way to call them is `exec`. */
function offeredTools(body: Record<string, unknown>): ReadonlySet<string> {
  const fromInput = inputItems(body)
    .filter((item) => item["type"] === "additional_tools")
    .flatMap((item) => asList(item["tools"]));
  const tools = [...asList(body["tools"]), ...fromInput].map(asRecord);
  return new Set(tools.map((tool) => asText(tool["name"])));
}

function toolCalls(
  behaviour: Exclude<Behaviour, { kind: "fail" | "hang" | "text" | "slow" }>,
  offered: ReadonlySet<string>,
): readonly Item[] {
  switch (behaviour.kind) {
    case "tool":
      return behaviour.commands.map((command) => shellCall(command, behaviour.escalate, offered));
    case "ask":
      return [functionCall("request_user_input", { questions: [colourQuestion()] })];
    case "edit":
      return [customCall("apply_patch", PATCH)];
    case "plan":
      return [functionCall("update_plan", { plan: [{ step: "Do one thing", status: "in_progress" }] })];
    case "agent":
      return [
        functionCall("spawn_agent", {
          message: behaviour.task,
          task_name: "mock_sub",
          agent_type: "default",
        }),
      ];
  }
}

function shellCall(cmd: string, escalate: boolean, offered: ReadonlySet<string>): Item {
  const escalation = {
    sandbox_permissions: "require_escalated",
    justification: "The mock wants to do this.",
  };
  const args = escalate ? { cmd, ...escalation } : { cmd };
  const codeMode = offered.has("exec") && !offered.has("exec_command");
  if (!codeMode) return functionCall("exec_command", args);
  return customCall("exec", `const r = await tools.exec_command(${JSON.stringify(args)}); text(r);`);
}

function colourQuestion(): Record<string, unknown> {
  return {
    id: "q1",
    header: "Colour",
    question: "Which colour do you want?",
    options: [
      { label: "Red (Recommended)", description: "a warm one" },
      { label: "Blue", description: "a cool one" },
    ],
  };
}

function functionCall(name: string, args: Record<string, unknown>): Item {
  return {
    type: "function_call",
    id: `fc_${randomUUID()}`,
    call_id: `call_${randomUUID()}`,
    name,
    arguments: JSON.stringify(args),
    status: "completed",
  };
}

function customCall(name: string, input: string): Item {
  return {
    type: "custom_tool_call",
    id: `ctc_${randomUUID()}`,
    call_id: `call_${randomUUID()}`,
    name,
    input,
    status: "completed",
  };
}

async function writeMessage(
  stream: EventStream,
  answer: { readonly text: string; readonly pauseMs: number },
): Promise<Item> {
  const id = `msg_${randomUUID()}`;
  const at = { item_id: id, output_index: 0, content_index: 0 };
  const started = { type: "message", id, role: "assistant", status: "in_progress", content: [] };
  stream.write({ type: "response.output_item.added", output_index: 0, item: started });
  stream.write({ type: "response.content_part.added", ...at, part: outputText("") });
  await stream.eachWord(answer.text, answer.pauseMs, (delta) => {
    stream.write({ type: "response.output_text.delta", ...at, delta });
  });
  const item = { ...started, status: "completed", content: [outputText(answer.text)] };
  stream.write({ type: "response.output_text.done", ...at, text: answer.text });
  stream.write({ type: "response.output_item.done", output_index: 0, item });
  return item;
}

function outputText(text: string): Record<string, unknown> {
  return { type: "output_text", text, annotations: [] };
}

function writeCall(stream: EventStream, output_index: number, item: Item): void {
  stream.write({ type: "response.output_item.added", output_index, item });
  stream.write({ type: "response.output_item.done", output_index, item });
}
