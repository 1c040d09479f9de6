import { describe, expect, it } from "vitest";
import { all, foldAt, hook, MODES, type Mode, type Signal, screen, seenBy, session } from "./story.js";

const start: Signal[] = [
  hook(500, "SessionStart", { source: "startup" }),
  session(700, "idle"),
  ...screen(1_000, "ready"),
];

/** A prompt is sent; `turn` is the id that the hooks give it. */
function prompt(at: number, turn: string): Signal[] {
  return [
    session(at + 50, "busy"),
    hook(at + 150, "UserPromptSubmit", { prompt_id: turn }),
    ...screen(at + 300, "running"),
  ];
}

/** A tool asks: Claude says so in its session file at once, by a hook a little later, and again after 6 s. */
function asks(at: number, digest = "d1"): Signal[] {
  return [
    hook(at, "PreToolUse", { tool_name: "Bash" }),
    session(at + 10, "waiting", "permission prompt"),
    hook(at + 200, "PermissionRequest", { tool_name: "Bash" }),
    ...screen(at + 300, "permission", digest),
  ];
}

function reminder(at: number): Signal {
  return hook(at, "Notification", { notification_type: "permission_prompt" });
}

function ends(at: number): Signal[] {
  return [hook(at, "Stop", { background_tasks: [] }), session(at + 50, "idle"), ...screen(at + 100, "done")];
}

function interrupted(at: number): Signal[] {
  return [session(at + 100, "idle"), ...screen(at + 200, "interrupted")];
}

function episodes(story: readonly Signal[], at: number): Record<string, number | undefined> {
  const modes = Object.keys(MODES) as Mode[]; // the keys of MODES
  return Object.fromEntries(modes.map((mode) => [mode, foldAt(story, mode, at).status.dialog?.episode]));
}

function sameEpisode(episode: number): Record<string, number> {
  return Object.fromEntries(Object.keys(MODES).map((mode) => [mode, episode]));
}

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
      all("running/background_agent", { "session file only": "running/turn" }),
    );
    expect(seenBy(story, 14_400)).toEqual(all("running/turn"));
    expect(seenBy(story, 16_150)).toEqual(
      all("completed/background_shell", {
        "session file only": "idle/ready",
        "screen only": "completed/turn_end",
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

  it("that failed for good is in error until the next prompt; an idle notice and the ready input box do not clear it", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      ...screen(11_000, "retrying"),
      hook(20_000, "StopFailure", { error: "server_error" }),
      session(20_050, "idle"),
      ...screen(20_100, "api-error"),
      hook(80_000, "Notification", { notification_type: "idle_prompt" }),
    ];
    expect(seenBy(story, 11_100)).toMatchObject({
      "screen only": "running/retrying",
      everything: "running/retrying",
    });
    for (const at of [20_200, 85_000]) {
      expect(seenBy(story, at)).toMatchObject({
        "hooks only": "error/server_error",
        "hooks and session file": "error/server_error",
        "screen only": "error/api_error",
        everything: "error/server_error",
      });
    }
    const menu = [...story, ...screen(90_000, "ready")];
    expect(seenBy(menu, 95_000)["hooks and screen"]).toMatch(/^error\//u);
    expect(seenBy([...story, ...prompt(90_000, "b")], 92_000)).toEqual(all("running/turn"));
  });

  it("gives no reason that is not a code, whatever a payload says", () => {
    const story = [
      ...prompt(10_000, "a"),
      hook(20_000, "StopFailure", { error: "Your prompt was: rm -rf /" }),
    ];
    expect(seenBy(story, 21_000)["hooks only"]).toBe("error/api_error");
  });

  it("cleared is idle with nothing of the turn before, error included", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      hook(20_000, "StopFailure", { error: "rate_limit" }),
      session(20_050, "idle"),
      ...screen(20_100, "api-error"),
      hook(30_000, "SessionEnd", { reason: "clear" }),
      hook(30_300, "SessionStart", { source: "clear" }),
      session(30_310, "idle"),
      ...screen(30_400, "ready"),
    ];
    expect(seenBy(story, 33_000)).toEqual(
      all("idle/ready", { "hooks only": "idle/fresh", "hooks and screen": "idle/fresh" }),
    );
  });

  it("compacts by hand to idle without a Stop, and by itself in the middle of a turn", () => {
    const manual = [
      ...start,
      session(10_050, "busy"),
      hook(10_100, "PreCompact", { trigger: "manual" }),
      ...screen(10_300, "running"),
      hook(20_000, "SessionStart", { source: "compact" }),
      hook(20_100, "PostCompact", { trigger: "manual" }),
    ];
    expect(seenBy(manual, 20_050)).toEqual(all("running/turn"));
    const done = [...manual, session(20_150, "idle"), ...screen(20_300, "ready")];
    expect(seenBy(done, 22_000)).toEqual(
      all("idle/compacted", { "session file only": "idle/ready", "screen only": "idle/ready" }),
    );
    const auto = [
      ...start,
      ...prompt(10_000, "a"),
      hook(12_000, "PreCompact", { trigger: "auto" }),
      hook(20_000, "SessionStart", { source: "compact" }),
      hook(20_100, "PostCompact", { trigger: "auto" }),
    ];
    expect(seenBy(auto, 21_000)).toEqual(all("running/turn"));
  });

  it("says which dialog is open: a question and a plan are told from a tool", () => {
    const question = [
      ...prompt(10_000, "a"),
      session(12_000, "waiting", "input needed"),
      hook(12_200, "PermissionRequest", { tool_name: "AskUserQuestion" }),
      ...screen(12_300, "question"),
      reminder(18_500),
    ];
    expect(seenBy(question, 19_000)).toEqual(all("waiting_input/question"));
    const plan = [
      ...prompt(10_000, "a"),
      session(12_000, "waiting", "permission prompt"),
      hook(12_200, "PermissionRequest", { tool_name: "ExitPlanMode" }),
      ...screen(12_300, "plan"),
    ];
    expect(seenBy(plan, 13_000)).toEqual(
      all("waiting_approval/plan_approval", { "session file only": "waiting_approval/permission_request" }),
    );
  });

  it("whose hooks were installed with a dialog open learns of it by the reminder", () => {
    expect(seenBy([reminder(6_000)], 7_000)["hooks only"]).toBe("waiting_approval/permission_request");
    const elicitation = hook(6_000, "Notification", { notification_type: "elicitation_dialog" });
    expect(seenBy([elicitation], 7_000)["hooks only"]).toBe("waiting_input/elicitation");
  });
});

describe("TC-085 an episode", () => {
  it("goes up when one and the same channel reports a second request, not when several report one", () => {
    const one = [...start, ...prompt(10_000, "a"), ...asks(12_000), reminder(18_400)];
    expect(episodes(one, 19_000)).toEqual(sameEpisode(1));
    const second = [...one, hook(19_500, "PermissionRequest", { tool_name: "Bash" })];
    expect(episodes(second, 19_600)).toMatchObject({
      "hooks only": 2,
      "hooks and session file": 2,
      "hooks and screen": 2,
      everything: 2,
    });
  });

  it("is one for a dialog that a hook and its notification report", () => {
    const story = [
      hook(10_000, "Elicitation"),
      hook(16_000, "Notification", { notification_type: "elicitation_dialog" }),
    ];
    expect(episodes(story, 17_000)["hooks only"]).toBe(1);
    expect(seenBy(story, 17_000)["hooks only"]).toBe("waiting_input/elicitation");
  });

  it("goes up when the dialog was seen gone, and loses the text of the one before", () => {
    const story = [
      ...start,
      ...prompt(10_000, "a"),
      ...asks(12_000, "first"),
      session(20_050, "busy"),
      hook(20_200, "PostToolUse"),
      ...screen(20_300, "running"),
      hook(25_000, "PreToolUse"),
      session(25_010, "waiting", "permission prompt"),
      hook(25_200, "PermissionRequest", { tool_name: "Bash" }),
    ];
    expect(foldAt(story, "everything", 13_000).status.dialog).toEqual({ episode: 1, digest: "first" });
    expect(foldAt(story, "everything", 25_300).status.dialog).toEqual({ episode: 2, digest: undefined });
    const read = [...story, ...screen(25_400, "permission", "second")];
    expect(foldAt(read, "everything", 25_500).status.dialog).toEqual({ episode: 2, digest: "second" });
  });
});

describe("a session file", () => {
  it("that says a word nobody knows is unknown, not a guess", () => {
    expect(seenBy([session(1_000, "daydreaming")], 2_000)["session file only"]).toBe(
      "unknown/unrecognised_status",
    );
    expect(seenBy([session(1_000, "waiting", "a miracle")], 2_000)["session file only"]).toBe(
      "unknown/unrecognised_dialog",
    );
  });

  it("outweighs a screen that lags behind it", () => {
    const story = [...start, ...prompt(10_000, "a"), session(15_000, "idle")];
    expect(seenBy(story, 16_000).everything).toBe("idle/ready");
  });

  it("is told by the screen of dialogs that it does not know of, once they are proven", () => {
    const story = [session(700, "idle"), ...screen(1_000, "trust")];
    expect(seenBy(story, 1_100).everything).toBe("idle/ready");
    expect(seenBy(story, 2_600).everything).toBe("waiting_input/trust_dialog");
  });
});
