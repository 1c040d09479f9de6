import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeClaude } from "../../../src/server/adapters/claude/normalize.js";
import { holds } from "../../support/property.js";
import { FIXTURES, foldAt, hook, type Signal, word } from "./story.js";

const FOLDER = join(FIXTURES, "composed-claude", "hooks");

interface Expected {
  readonly state: string;
}

function json(name: string): unknown {
  return JSON.parse(readFileSync(join(FOLDER, name), "utf8"));
}

const expected = Object.entries(json("_expected.json") as Record<string, Expected>); // the fixture's own shape
const files = readdirSync(FOLDER).filter((name) => !name.startsWith("_"));

/** Histories after which each payload is read. */
const BEFORE: Readonly<Record<string, Signal[]>> = {
  "nothing said": [],
  running: [hook(1, "UserPromptSubmit", { prompt_id: "before" })],
  waiting_approval: [hook(1, "PermissionRequest", { tool_name: "Bash" })],
  completed: [hook(1, "UserPromptSubmit"), hook(2, "Stop")],
  error: [hook(1, "UserPromptSubmit"), hook(2, "StopFailure", { error: "rate_limit" })],
};

function states(name: string, payload: unknown): Record<string, string> {
  const [event = ""] = name.split(".");
  return Object.fromEntries(
    Object.entries(BEFORE).map(([before, story]) => {
      const then = [...story, hook(10, event, payload as Record<string, unknown>)]; // a payload is an object
      return [before, foldAt(then, "hooks only", 20).status.state];
    }),
  );
}

const unchanged = {
  "nothing said": "unknown",
  running: "running",
  waiting_approval: "waiting_approval",
  completed: "completed",
  error: "error",
};

/** Where what was before decides as well. */
const SPECIAL: Readonly<Record<string, Record<string, string>>> = {
  // Proof that nothing runs, and nothing more.
  "Notification.idle_prompt.json": { ...unchanged, running: "idle" },
  // A sub-agent's tools go on beside the dialog.
  "PreToolUse.subagent.json": { ...every("running"), waiting_approval: "waiting_approval" },
  "SubagentStart.json": { ...every("running"), waiting_approval: "waiting_approval" },
  // Reminders of a dialog that is known to be open.
  "Notification.elicitation_dialog.json": { ...every("waiting_input"), waiting_approval: "waiting_approval" },
  "Notification.elicitation_url_dialog.json": {
    ...every("waiting_input"),
    waiting_approval: "waiting_approval",
  },
  "Notification.quota_auto_resume_stale.json": {
    ...every("waiting_input"),
    waiting_approval: "waiting_approval",
  },
};

function every(state: string): Record<string, string> {
  return Object.fromEntries(Object.keys(BEFORE).map((before) => [before, state]));
}

describe("TC-015 a hook of Claude Code", () => {
  it("has an expectation for every payload, and a payload for every expectation", () => {
    expect(expected.map(([name]) => name).sort()).toEqual(
      files.filter((name) => !name.startsWith("_")).sort(),
    );
  });

  it.each(expected)(
    "%s gives the state that it stands for, after whatever came before",
    (name, { state }) => {
      const wanted =
        SPECIAL[name] ??
        (state === "unchanged" || state === "ended"
          ? unchanged
          : every(state === "completed_or_idle" ? "idle" : state));
      expect(states(name, json(name))).toEqual(wanted);
    },
  );

  it.each(files)("%s names its session and directory, and is known", (name) => {
    const payload = json(name) as Record<string, unknown>; // a payload is an object
    const made = normalizeClaude({
      source: "hook",
      channel: "",
      eventType: name.split(".")[0] ?? "",
      payload,
    });
    expect(made).toMatchObject({ agentSessionId: payload["session_id"], cwd: payload["cwd"] });
    expect(made.transition).toBeDefined();
    expect(made.foreign).toBeUndefined();
  });

  it("that nobody knows changes nothing", () => {
    const made = normalizeClaude({
      source: "hook",
      channel: "",
      eventType: "Surprise",
      payload: { session_id: "s" },
    });
    expect(made).toMatchObject({ agentSessionId: "s" });
    expect(made.transition).toBeUndefined();
  });

  it.each([
    ["Cursor", { cursor_version: "1.7.2", session_id: "s" }],
    ["Copilot", { sessionId: "s" }],
  ])("that %s ran out of Claude's settings is foreign", (_name, payload) => {
    expect(normalizeClaude({ source: "hook", channel: "", eventType: "Stop", payload })).toEqual({
      foreign: true,
    });
  });

  it("is read without harm whatever its payload is", () => {
    const events = [...new Set(files.map((name) => name.split(".")[0] ?? "")), "Surprise", "__proto__"];
    const tasks = fc.array(fc.oneof(fc.jsonValue(), fc.record({ type: fc.string(), status: fc.string() })));
    const payload = fc.oneof(
      fc.jsonValue(),
      fc.record({
        tool_name: fc.jsonValue(),
        background_tasks: tasks,
        notification_type: fc.jsonValue(),
        agent_id: fc.jsonValue(),
      }),
    );
    holds(
      fc.property(fc.constantFrom(...events), payload, (eventType, given) => {
        const { transition } = normalizeClaude({ source: "hook", channel: "", eventType, payload: given });
        const values = Object.values(transition?.attributes ?? {});
        expect(values.every((value) => ["string", "number", "boolean"].includes(typeof value))).toBe(true);
      }),
      1_000,
    );
  });

  it("of a Stop counts agents in the background, and shells apart", () => {
    const stop = (...background_tasks: unknown[]): string =>
      word(
        foldAt([hook(1, "UserPromptSubmit"), hook(2, "Stop", { background_tasks })], "hooks only", 3).status,
      );
    expect(stop()).toBe("completed/turn_end");
    expect(stop({ type: "subagent", status: "running" })).toBe("running/background_agent");
    expect(stop({ type: "subagent", status: "completed" })).toBe("completed/turn_end");
    expect(stop({ type: "shell", status: "completed" })).toBe("completed/turn_end");
    expect(stop({ type: "shell", status: "running" })).toBe("completed/background_shell");
    expect(stop({ type: "local_bash", status: "running" }, { type: "subagent" })).toBe(
      "running/background_agent",
    );
    expect(stop("nonsense", null)).not.toMatch(/^(?:idle|error|unknown)/u);
  });
});
