import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MockModel } from "./mock-model.js";

const NEXT_REQUEST_MS = 2000;

describe("the mock model", () => {
  let mock: MockModel;
  beforeEach(async () => {
    mock = await MockModel.start({ workDir: "/work-dir", slowWords: 3, slowPauseMs: 1 });
  });
  afterEach(async () => {
    await mock.close();
  });

  it("streams words over both APIs", async () => {
    const anthropic = await (await askAnthropic("slow please")).text();
    expect(anthropic).toContain("word2");
    expect(anthropic).toContain("event: message_stop");
    const responses = await (await askResponses("slow please")).text();
    expect(responses).toContain("word2");
    expect(responses).toContain("event: response.completed");
  });

  it("asks for a tool, escalated on the Codex side", async () => {
    expect(await (await askAnthropic("run tool touch")).text()).toContain('"name":"Bash"');
    const responses = await (await askResponses("run tool touch")).text();
    expect(responses).toContain('"name":"exec_command"');
    expect(responses).toContain("require_escalated");
  });

  it("calls tools through exec when only exec is offered", async () => {
    const responses = await (await askResponses("run tool touch", [{ type: "custom", name: "exec" }])).text();
    expect(responses).toContain('"type":"custom_tool_call"');
    expect(responses).toContain("tools.exec_command");
  });

  it("fails with the wanted status, once when so told", async () => {
    expect((await askAnthropic("fail529")).status).toBe(529);
    expect((await askAnthropic("fail529")).status).toBe(529);
    expect((await askResponses("fail500 once")).status).toBe(500);
    expect(await (await askResponses("fail500 once")).text()).toContain("Recovered");
  });

  it("records requests and tells who waits for one", async () => {
    const next = mock.nextRequest((request) => request.api === "responses", NEXT_REQUEST_MS);
    await (await askAnthropic("hello")).text();
    await (await askResponses("hello")).text();
    expect(await next).toMatchObject({ api: "responses", kind: "text", text: "hello" });
    expect(mock.requests.map((request) => request.api)).toEqual(["anthropic", "responses"]);
  });

  it("lets go of a hanging request when it closes", async () => {
    const next = mock.nextRequest((request) => request.kind === "hang", NEXT_REQUEST_MS);
    const answer = askAnthropic("hang").then((response) => response.text());
    const ended = expect(answer).rejects.toThrow();
    await next;
    await mock.close();
    await ended;
    mock = await MockModel.start({ workDir: "/work-dir" });
  });

  function askAnthropic(prompt: string): Promise<Response> {
    const messages = [{ role: "user", content: [{ type: "text", text: prompt }] }];
    return post("/v1/messages", { model: "m", stream: true, tools: [{ name: "Bash" }], messages });
  }

  function askResponses(
    prompt: string,
    tools: readonly object[] = [{ type: "function", name: "exec_command" }],
  ): Promise<Response> {
    const input = [{ type: "message", role: "user", content: [{ type: "input_text", text: prompt }] }];
    return post("/v1/responses", { model: "m", stream: true, tools, input });
  }

  function post(path: string, body: object): Promise<Response> {
    return fetch(`${mock.url}${path}`, { method: "POST", body: JSON.stringify(body) });
  }
});
