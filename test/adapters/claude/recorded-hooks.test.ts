import { describe, expect, it } from "vitest";
import { foldAt, hook, type RecordedHook, recordedHooks, word } from "./story.js";

/** What the hooks alone must say right after each recorded hook; undefined: nothing that this table knows. */
function expectation({ event, payload }: RecordedHook, before: readonly RecordedHook[]): RegExp | undefined {
  const tasks = payload["background_tasks"];
  switch (event) {
    case "SessionStart":
      return payload["source"] === "compact" ? undefined : /^idle\/fresh$/u;
    case "UserPromptSubmit":
      return /^running\/turn$/u;
    case "PermissionRequest":
      return payload["tool_name"] === "AskUserQuestion"
        ? /^waiting_input\/question$/u
        : /^waiting_approval\/permission_request$/u;
    case "PostToolUse":
    case "PreToolUse":
      return /^running\//u;
    case "StopFailure":
      return /^error\/(?:unknown|server_error|authentication_failed)$/u;
    case "Stop": {
      if (Array.isArray(tasks) && tasks.length > 0) return /^running\/background_agent$/u;
      const own = before.filter(
        (one) => one.event === "UserPromptSubmit" && one.payload["prompt_id"] === payload["prompt_id"],
      );
      // A prompt that was typed during this turn is the next one's.
      return own.length > 1 ? /^running\/turn$/u : /^completed\/turn_end$/u;
    }
    default:
      return undefined;
  }
}

describe.each(["claude", "claude-2", "claude-3", "claude-4", "claude-5"])(
  "TC-015 the hooks recorded in pane %s",
  (pane) => {
    it("give the right state after each of them that tells one", () => {
      const recorded = recordedHooks(pane);
      const first = recorded[0]?.t ?? 0;
      const story = recorded.map(({ t, event, payload }, index) =>
        hook((t - first) * 1_000 + index / 1_000, event, payload),
      );
      let judged = 0;
      const wrong: string[] = [];
      recorded.forEach((one, index) => {
        const expected = expectation(one, recorded.slice(0, index));
        if (expected === undefined) return;
        judged += 1;
        const said = word(foldAt(story, "hooks only", story[index]?.at ?? 0).status);
        if (!expected.test(said)) wrong.push(`#${index} ${one.event}: ${said}, not ${String(expected)}`);
      });
      expect(wrong).toEqual([]);
      expect(judged).toBeGreaterThan(5);
    });

    it("are known, every one: none counts as a signal that no rule knows", () => {
      const unknown = recordedHooks(pane).filter(
        ({ event, payload }) => hook(0, event, payload).transition === undefined,
      );
      expect(unknown.map(({ event }) => event)).toEqual([]);
    });
  },
);
