import { describe, expect, it } from "vitest";
import { asks, ends, episodes, interrupted, prompt, reminder, sameEpisode, start } from "./scenes.js";
import { all, hook, screen, seenBy, session } from "./story.js";

describe("TC-015 Claude Code", () => {
  it("fresh is idle", () => {
    expect(seenBy(start, 3_000)).toEqual(
      all("idle/ready", { "hooks only": "idle/fresh", "hooks and screen": "idle/fresh" }),
    );
  });

  it("asked, approved, and done: the long tool's approval shows at once by the session file, soon by the screen", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      ...asks(12_000),
      reminder(18_400),
      // Approved at 20 s; the tool runs for 8 s and no hook says anything before its end.
      session(20_050, "busy"),
      ...screen(20_300, "running"),
      hook(28_200, "PostToolUse"),
      ...ends(29_000),
      hook(89_100, "Notification", { notification_type: "idle_prompt" }),
    ];
    expect(seenBy(story, 10_400)).toEqual(all("running/turn"));
    expect(seenBy(story, 12_400)).toEqual(all("waiting_approval/permission_request"));
    expect(seenBy(story, 19_000)).toEqual(all("waiting_approval/permission_request"));
    expect(episodes(story, 12_400)).toEqual(sameEpisode(1));
    expect(episodes(story, 19_000)).toEqual(sameEpisode(1));
    expect(seenBy(story, 20_400)).toEqual(
      all("running/turn", {
        "hooks only": "waiting_approval/permission_request",
        "hooks and screen": "waiting_approval/permission_request",
      }),
    );
    expect(seenBy(story, 21_900)).toEqual(
      all("running/turn", { "hooks only": "waiting_approval/permission_request" }),
    );
    expect(seenBy(story, 28_300)).toEqual(all("running/turn"));
    expect(seenBy(story, 29_200)).toEqual(all("completed/turn_end", { "session file only": "idle/ready" }));
    expect(seenBy(story, 95_000)).toEqual(all("completed/turn_end", { "session file only": "idle/ready" }));
  });

  it("refused is idle, though no hook says so: hooks alone cannot know, the screen corrects them", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      ...asks(12_000),
      reminder(18_400),
      ...interrupted(20_000),
    ];
    expect(seenBy(story, 20_250)).toEqual(
      all("idle/interrupted", {
        "hooks only": "waiting_approval/permission_request",
        "session file only": "idle/ready",
        "hooks and session file": "idle/ready",
        "hooks and screen": "waiting_approval/permission_request",
      }),
    );
    expect(seenBy(story, 80_000)).toEqual(
      all("idle/interrupted", {
        "hooks only": "waiting_approval/permission_request",
        "session file only": "idle/ready",
        "hooks and session file": "idle/ready",
      }),
    );
    const next = [...story, ...prompt(90_000, "b"), ...ends(95_000)];
    expect(seenBy(next, 90_400)).toEqual(all("running/turn", { "screen only": "running/turn" }));
    expect(seenBy(next, 95_150)).toEqual(all("completed/turn_end", { "session file only": "idle/ready" }));
  });

  it("interrupted by Esc is idle, though no hook says so, and the next prompt is a turn of its own", () => {
    const story = [...start, ...prompt(10_000, "a"), ...interrupted(15_000)];
    expect(seenBy(story, 17_000)).toEqual(
      all("idle/interrupted", {
        "hooks only": "running/turn",
        "session file only": "idle/ready",
        "hooks and session file": "idle/ready",
      }),
    );
    const next = [...story, ...prompt(30_000, "b"), ...ends(35_000)];
    expect(seenBy(next, 35_150)).toEqual(all("completed/turn_end", { "session file only": "idle/ready" }));
  });

  it("interrupted by Esc while a dialog is open closes that dialog's episode", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      ...asks(12_000),
      ...interrupted(15_000),
      ...prompt(30_000, "b"),
      ...asks(32_000, "d2"),
    ];
    expect(episodes(story, 32_400)).toEqual(sameEpisode(2));
    expect(seenBy(story, 32_400)).toEqual(all("waiting_approval/permission_request"));
  });

  it("goes on running with a queued prompt, whose turn nothing announces, and is completed after that", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      hook(13_000, "UserPromptSubmit", { prompt_id: "a" }),
      hook(20_000, "Stop"),
      hook(20_900, "PreToolUse"),
      ...ends(25_000),
    ];
    for (const at of [13_100, 20_100, 24_000]) expect(seenBy(story, at)).toEqual(all("running/turn"));
    expect(seenBy(story, 25_150)).toEqual(all("completed/turn_end", { "session file only": "idle/ready" }));
  });

  it("interrupted in a queued prompt's turn is not called completed for the turn before", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      hook(13_000, "UserPromptSubmit", { prompt_id: "a" }),
      hook(20_000, "Stop"),
      ...interrupted(22_000),
    ];
    expect(seenBy(story, 24_000)).toMatchObject({
      "hooks and session file": "idle/ready",
      "hooks and screen": "idle/interrupted",
      everything: "idle/interrupted",
    });
  });

  it("with a sub-agent in the background is running until that has reported, and its shells do not count", () => {
    const agent = { background_tasks: [{ type: "subagent", status: "running" }] };
    const shell = { background_tasks: [{ type: "local_bash", status: "running" }] };
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      hook(11_000, "PreToolUse", { tool_name: "Agent" }),
      hook(11_100, "SubagentStart", { agent_id: "x" }),
      hook(11_500, "PostToolUse", { tool_name: "Agent" }),
      hook(12_000, "Stop", agent),
      ...screen(12_200, "background-agent"),
      hook(13_000, "PreToolUse", { agent_id: "x" }),
      hook(14_000, "SubagentStop", { agent_id: "x", ...agent }),
      hook(14_100, "UserPromptSubmit", { prompt_id: "b" }),
      ...screen(14_300, "running"),
      hook(16_000, "Stop", shell),
      session(16_050, "idle"),
      ...screen(16_100, "done"),
    ];
    expect(seenBy(story, 13_900)).toEqual(
      all("running/background_agent", {
        "session file only": "running/turn",
        "session file and screen": "running/turn",
      }),
    );
    expect(seenBy(story, 14_400)).toEqual(all("running/turn"));
    expect(seenBy(story, 16_150)).toEqual(
      all("completed/background_shell", {
        "session file only": "idle/ready",
        "screen only": "completed/turn_end",
        "session file and screen": "completed/turn_end",
      }),
    );
  });

  it("keeps a dialog open while a sub-agent works on", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      ...asks(12_000),
      hook(13_000, "PostToolUse", { agent_id: "x" }),
    ];
    expect(seenBy(story, 14_000)).toEqual(all("waiting_approval/permission_request"));
    expect(episodes(story, 14_000)).toEqual(sameEpisode(1));
  });
});
