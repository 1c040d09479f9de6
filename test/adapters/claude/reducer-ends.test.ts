import { describe, expect, it } from "vitest";
import { asks, episodes, prompt, reminder, sameEpisode, start } from "./scenes.js";
import { all, foldAt, hook, screen, seenBy, session } from "./story.js";

describe("TC-015 Claude Code", () => {
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

  it("whose screen shows the same end when it is read anew keeps that end, and has a new one after a turn", () => {
    const once = [...start, ...prompt(10_000, "a"), session(20_000, "idle"), ...screen(20_100, "done")];
    const again = [...once, ...screen(200_000, "done")];
    const next = [...prompt(300_000, "b"), session(310_000, "idle"), ...screen(310_100, "done")];
    for (const mode of ["screen only", "session file and screen"] as const) {
      const before = foldAt(once, mode, 30_000).status;
      expect(before).toMatchObject({ state: "completed", confidence: "high" });
      expect(foldAt(again, mode, 250_000).status).toEqual(before);
      const after = foldAt([...again, ...next], mode, 320_000).status;
      expect(after).toMatchObject({ state: "completed", confidence: "high" });
      expect(after.at).toBeGreaterThan(310_000_000);
    }
    // A turn of which nobody saw anything but its end in the session file.
    const unseen = [...once, session(190_000, "idle"), ...screen(200_000, "done")];
    expect(foldAt(unseen, "session file and screen", 250_000).status.at).toBe(200_000_000);
    // One that was too short to be seen on the screen.
    const short = [...once, session(190_000, "busy"), session(190_100, "idle"), ...screen(190_200, "done")];
    expect(foldAt(short, "session file and screen", 250_000).status).toMatchObject({
      state: "completed",
      at: 190_200_000,
    });
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
      all("idle/ready", {
        "hooks only": "idle/fresh",
        "hooks and screen": "idle/fresh",
        // Nothing tells these two that it was cleared; the next prompt does.
        "session file and screen": "error/api_error",
      }),
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
      all("idle/compacted", {
        "session file only": "idle/ready",
        "screen only": "idle/ready",
        "session file and screen": "idle/ready",
      }),
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
      ...screen(12_300, "plan", "plan text"),
    ];
    expect(seenBy(plan, 13_000)).toEqual(
      all("waiting_approval/plan_approval", { "session file only": "waiting_approval/permission_request" }),
    );
  });

  it("without hooks, knows a plan by the dialog's text, and the next dialog for what it is", () => {
    const plan = [
      ...prompt(10_000, "a"),
      ...screen(11_950, "plan", "plan text").slice(0, 1),
      session(12_000, "waiting", "permission prompt"),
    ];
    const reason = (story: typeof plan, at: number) =>
      foldAt(story, "session file and screen", at).status.reason;
    expect(reason(plan, 12_200)).toBe("plan_approval");
    const tool = [...plan, session(13_000, "busy"), session(13_100, "waiting", "permission prompt")];
    expect(reason(tool, 13_150)).toBe("permission_request");
    const read = [...tool, ...screen(13_200, "permission", "touch a").slice(0, 1)];
    expect(reason(read, 13_300)).toBe("permission_request");
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
