import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { normalizeCodex } from "../../../src/server/adapters/codex/normalize.js";
import type { RawSignal } from "../../../src/server/adapters/contract.js";
import { Story } from "./story.js";

const FIXTURES = join(import.meta.dirname, "..", "..", "fixtures", "codex");
const HOOKS = join(FIXTURES, "hooks");
const parse = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

interface Expected {
  readonly state: string;
}
const expected = new Map<string, Expected>(
  Object.entries(parse(join(HOOKS, "_expected.json")) as Record<string, Expected>), // a fixture of this repository
);
const payloads = readdirSync(HOOKS).filter((name) => !name.startsWith("_"));

function signal(file: string): RawSignal {
  const payload = parse(join(HOOKS, file));
  const notify = file.startsWith("notify");
  const eventType = notify ? "agent-turn-complete" : (file.split(".")[0] ?? "");
  return { source: notify ? "notify" : "hook", channel: "", eventType, payload };
}

/** The state that an agent of nothing but this one signal is in. */
function stateOf(raw: RawSignal): string {
  const { transition } = normalizeCodex(raw);
  return new Story().add(1, raw.source, "", transition).fold().status.state;
}

describe("every payload of Codex 0.169.0", () => {
  it("has a stated meaning", () => {
    expect(payloads.sort()).toEqual([...expected.keys()].sort());
  });

  it.each(payloads)("%s leads to the state that was measured", (file) => {
    const raw = signal(file);
    const made = normalizeCodex(raw);
    const state = expected.get(file)?.state ?? "";
    expect(made.transition ?? made.foreign).toBeDefined();
    if (state === "ignore") {
      expect(made).toEqual({ foreign: true });
      return;
    }
    expect(made.foreign).toBeUndefined();
    expect(made.agentSessionId).toBe("01a202cb-3140-7302-8770-a04727f36d39");
    expect(made.cwd).toBe("/home/dev/shop");
    // The process's end ends the runtime; this hook may come a minute late.
    const shown = state === "ended" || state === "unchanged" ? "unknown" : state;
    expect(stateOf(raw)).toBe(shown);
  });
});

describe("the normaliser", () => {
  const hook = (eventType: string, payload: unknown) =>
    normalizeCodex({ source: "hook", channel: "", eventType, payload });

  it("stores nothing of what was asked or answered", () => {
    const secret = "hunter2-very-secret";
    const payload = { prompt: secret, last_assistant_message: secret, error: secret, tool_response: secret };
    const tool = { tool_name: "Bash", tool_input: { command: secret, description: secret } };
    for (const event of [
      "UserPromptSubmit",
      "Stop",
      "PostModelRequest",
      "PermissionRequest",
      "PostToolUse",
    ]) {
      expect(JSON.stringify(hook(event, { ...payload, ...tool }))).not.toContain(secret);
    }
  });

  it("keeps the main agent's state through a sub-agent's own events, but shows its dialogs", () => {
    const own = { agent_id: "child", turn_id: "t", tool_name: "Bash", tool_input: { command: "ls" } };
    for (const event of [
      "PreToolUse",
      "PostToolUse",
      "PreModelRequest",
      "Stop",
      "Interrupt",
      "UserPromptSubmit",
    ]) {
      expect(hook(event, own).transition).toEqual({ kind: "noted" });
    }
    expect(hook("PermissionRequest", own).transition?.kind).toBe("permission");
  });

  it("says that it does not know an event of a later version", () => {
    expect(hook("Notification", {}).transition).toBeUndefined();
    expect(hook("Notification", { agent_id: "child" }).transition).toBeUndefined();
    const message = { type: "approval-requested" };
    const notified = normalizeCodex({ source: "notify", channel: "", eventType: "x", payload: message });
    expect([notified.transition, notified.foreign]).toEqual([undefined, undefined]);
  });

  it.each([
    undefined,
    null,
    "text",
    [],
    { session_id: 7, turn_id: {}, tool_input: "x" },
    { "input-messages": "x", type: [] },
    { "input-messages": [{}], type: "agent-turn-complete" },
  ])("takes %j without complaint", (payload) => {
    for (const eventType of ["SessionStart", "PermissionRequest", "PostToolUse", "PostModelRequest", ""]) {
      expect(() => hook(eventType, payload)).not.toThrow();
    }
    expect(() => normalizeCodex({ source: "notify", channel: "", eventType: "x", payload })).not.toThrow();
  });
});
