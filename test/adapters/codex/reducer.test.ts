import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Story } from "./story.js";

const turn = { turn_id: "t1", session_id: "s" };
const next = { turn_id: "t2", session_id: "s" };
const failed = { ...turn, status: "failed" };
const tool = (command: string) => ({ ...turn, tool_name: "Bash", tool_input: { command } });

describe("with the app-server", () => {
  it("a turn runs, and is completed, interrupted or failed as its last turn says", () => {
    const story = () => new Story().server(0, "idle", "none").server(1, "active");
    expect(story().state).toBe("running/turn");
    expect(story().server(2, "idle", "completed").state).toBe("completed/turn_end");
    expect(story().server(2, "idle", "interrupted").state).toBe("idle/interrupted");
    expect(story().server(2, "system_error").state).toBe("error/api_error");
    expect(story().server(2, "system_error").server(3, "active").state).toBe("running/turn");
    expect(new Story().server(0, "idle", "none").state).toBe("idle/ready");
  });

  it("an idle that does not say how the turn ended takes hook or screen for it, if they speak of this turn", () => {
    const story = () => new Story().screen(0, "completed", "turn_end").server(1, "active");
    expect(story().server(2, "idle").state).toBe("idle/ready");
    expect(story().server(2, "idle").screen(2.1, "completed", "turn_end").state).toBe("completed/turn_end");
    expect(story().server(2, "idle").screen(2.1, "idle", "interrupted").state).toBe("idle/interrupted");
    expect(story().hook(1.9, "Stop", turn).server(2, "idle").state).toBe("completed/turn_end");
  });

  it("dialogs are told apart, and each that opens is another one", () => {
    const story = new Story().server(1, "active").server(2, "waiting_approval");
    expect(story.state).toBe("waiting_approval/permission_request");
    const first = story.fold().status.dialog?.episode;
    story.server(3, "active").server(3.1, "waiting_approval");
    expect(story.fold().status.dialog?.episode).toBe((first ?? 0) + 1);
    expect(new Story().server(1, "active").server(2, "waiting_input").state).toBe("waiting_input/question");
  });

  it("two dialogs without a gap are two by the hooks, or by their text", () => {
    const story = new Story()
      .server(1, "active")
      .hook(1.1, "PermissionRequest", tool("a"))
      .server(1.2, "waiting_approval");
    story.screen(2.2, "waiting_approval", "permission_request", { digest: "aa" });
    const first = story.fold().status.dialog;
    expect(first?.digest).toBe("aa");
    story.hook(4, "PostToolUse", tool("a")).hook(4.1, "PermissionRequest", tool("b"));
    expect(story.fold().status.dialog).toEqual({ episode: (first?.episode ?? 0) + 1, digest: undefined });
    story.screen(5, "waiting_approval", "permission_request", { digest: "bb" });
    expect(story.fold().status.dialog?.digest).toBe("bb");
  });

  it("TC-085 a dialog has the text that the screen showed a moment before the title told of it, and no older one", () => {
    const story = () => new Story().title(0, "work").title(1, "⠋ work");
    const shown = story().screen(2, "waiting_approval", "permission_request", { digest: "aa" });
    expect(shown.titleMoves(2.1, "dialog").fold().status.dialog?.digest).toBe("aa");
    const old = story().screen(2, "waiting_approval", "permission_request", { digest: "aa" });
    expect(old.titleMoves(4, "dialog").fold().status.dialog?.digest).toBeUndefined();
  });

  it("decides against title, hooks and screen while it is heard, and gives way once it is gone", () => {
    const story = new Story().title(0, "work").title(1, "⠋ work").hook(1, "UserPromptSubmit", turn);
    story
      .server(1.1, "active")
      .screen(1.5, "completed", "turn_end", { confirmed: true })
      .hook(1.6, "Stop", turn);
    expect(story.state).toBe("running/turn");
    expect(story.server(3, "gone").state).toBe("completed/turn_end");
  });

  it("a failed request shows as retrying while the turn goes on, never as an error", () => {
    const story = new Story()
      .server(1, "active")
      .hook(1.1, "UserPromptSubmit", turn)
      .hook(1.5, "PostModelRequest", failed);
    expect(story.state).toBe("running/retrying");
    expect(story.hook(2, "PreModelRequest", turn).state).toBe("running/turn");
    expect(story.course).not.toContain("error");
  });

  it("a menu that the user opened at rest shows once confirmed, one over a running turn does not", () => {
    const menu = (story: Story) => story.screen(5, "waiting_input", "dialog_open", { confirmed: true });
    expect(menu(new Story().server(1, "idle", "none")).state).toBe("waiting_input/dialog_open");
    expect(menu(new Story().server(1, "active")).state).toBe("running/turn");
    const unsure = new Story().server(1, "idle", "none").screen(5, "waiting_input", "dialog_open");
    expect(unsure.state).toBe("idle/ready");
  });

  it("a sub-agent's dialog shows while the title marks it", () => {
    const story = new Story()
      .title(0, "work")
      .server(1, "active")
      .title(1.1, "⠋ work")
      .title(2, "[ ! ] Action Required | work");
    story.screen(4, "waiting_approval", "permission_request", { confirmed: true });
    expect(story.state).toBe("waiting_approval/permission_request");
    expect(story.title(5, "⠋ work").state).toBe("running/turn");
  });
});

describe("without the app-server and without hooks", () => {
  it("title and screen tell a whole turn", () => {
    const story = new Story().title(0, "vm").screen(0.1, "idle", "fresh").title(1, "work");
    expect(story.state).toBe("idle/fresh");
    expect(story.title(2, "⠋ work").state).toBe("running/turn");
    expect(story.title(20, "Mock title | work").state).toBe("idle/ready");
    expect(story.screen(20.1, "completed", "turn_end").state).toBe("completed/turn_end");
    expect(story.title(30, "⠙ Mock title | work").state).toBe("running/turn");
    expect(story.title(33, "Mock title | work").state).toBe("idle/ready");
    expect(story.screen(33.1, "idle", "interrupted").state).toBe("idle/interrupted");
  });

  it("an approval or a question is what the screen says it is", () => {
    const story = () =>
      new Story().title(0, "work").title(1, "⠋ work").title(3, "[ ! ] Action Required | work");
    expect(story().state).toBe("waiting_approval/action_required");
    expect(story().fold().status.confidence).toBe("medium");
    const asked = story().screen(3.02, "waiting_input", "question", { digest: "q" });
    expect(asked.state).toBe("waiting_input/question");
    expect(asked.fold().status.dialog?.digest).toBe("q");
    expect(story().screen(2.8, "waiting_approval", "permission_request").state).toBe(
      "waiting_approval/permission_request",
    );
  });

  it("the end of an earlier turn is not taken for that of one whose spinner was never seen", () => {
    const story = new Story()
      .title(0, "work")
      .title(1, "⠋ work")
      .title(5, "work")
      .screen(5.1, "completed", "turn_end");
    story.title(9, "[ ! ] Action Required | work").title(11, "work");
    expect(story.state).toBe("idle/ready");
    expect(story.screen(11.1, "idle", "interrupted").state).toBe("idle/interrupted");
  });

  it("what a killed Codex left in the title proves nothing until it moves", () => {
    const story = new Story().title(0, "⠹ Mock title | work");
    expect(story.state).toBe("unknown/no_signal_yet");
    expect(story.titleMoves(1, "turn").state).toBe("running/turn");
    const left = new Story().title(0, "⠹ Mock title | work").title(3, "vm").screen(3.1, "idle", "fresh");
    expect(left.course).toEqual(["unknown", "idle"]);
  });

  it("a title that never showed a mark does not deny a turn", () => {
    const story = new Story()
      .title(0, "my own title")
      .hook(1, "UserPromptSubmit", turn)
      .title(2, "my other title");
    expect(story.state).toBe("running/turn");
  });

  it("start-up dialogs are read off the screen", () => {
    const story = new Story().title(0, "vm").screen(0.5, "waiting_input", "hooks_review", { digest: "h" });
    expect(story.state).toBe("waiting_input/hooks_review");
    expect(story.screen(5, "idle", "fresh").state).toBe("idle/fresh");
  });
});

describe("with hooks and the title", () => {
  it("Stop is completed and Interrupt is idle, whichever of hook and title comes first", () => {
    const story = () => new Story().title(0, "work").hook(1, "UserPromptSubmit", turn).title(1.2, "⠋ work");
    expect(story().hook(9, "Stop", turn).title(9.3, "work").state).toBe("completed/turn_end");
    expect(story().title(9, "work").hook(9.1, "Stop", turn).state).toBe("completed/turn_end");
    expect(story().hook(9, "Interrupt", turn).title(9.3, "work").state).toBe("idle/interrupted");
  });

  it("a spinner first seen as a short turn ends does not bring it back", () => {
    const story = new Story()
      .title(0, "work")
      .hook(1, "UserPromptSubmit", turn)
      .hook(1.4, "Stop", turn)
      .title(1.45, "⠋ work");
    expect(story.state).toBe("completed/turn_end");
    expect(story.title(2.4, "work").state).toBe("completed/turn_end");
  });

  it("an API error is told by the failed request once title or screen agree that nothing runs", () => {
    const begun = () => new Story().title(0, "work").hook(1, "UserPromptSubmit", turn);
    const told = begun().title(1.5, "⠋ work").hook(2, "PostModelRequest", failed);
    expect(told.state).toBe("running/retrying");
    expect(told.title(2.6, "work").state).toBe("error/api_error");
    const fast = begun().hook(1.1, "PostModelRequest", failed);
    expect(fast.state).toBe("running/retrying");
    expect(fast.screen(2, "error", "api_error").state).toBe("error/api_error");
    expect(fast.hook(9, "UserPromptSubmit", next).state).toBe("running/turn");
  });

  it("where there is no title at all a failed request is an error until the next one", () => {
    const story = new Story().hook(1, "UserPromptSubmit", turn).hook(2, "PostModelRequest", failed);
    expect(story.state).toBe("error/api_error");
    expect(story.hook(2.3, "PreModelRequest", turn).state).toBe("running/turn");
  });

  it("an approval shows from the hook on, a second before Codex draws it, until it is answered", () => {
    const story = new Story()
      .title(0, "work")
      .hook(1, "UserPromptSubmit", turn)
      .hook(1.3, "PermissionRequest", tool("a"));
    expect(story.title(1.6, "⠋ work").state).toBe("waiting_approval/permission_request");
    expect(story.title(2.4, "[ ! ] Action Required | work").state).toBe(
      "waiting_approval/permission_request",
    );
    expect(story.title(6, "⠋ work").state).toBe("running/turn");
    expect(story.hook(14, "PostToolUse", tool("a")).state).toBe("running/turn");
  });

  it("another tool's end does not answer a dialog", () => {
    const story = new Story().hook(1, "UserPromptSubmit", turn).hook(2, "PermissionRequest", tool("a"));
    expect(story.hook(3, "PostToolUse", tool("other")).state).toBe("waiting_approval/permission_request");
    expect(story.hook(4, "PostToolUse", tool("a")).state).toBe("running/turn");
  });

  it("stragglers of an ended turn change nothing, a queued prompt's turn does", () => {
    const interrupted = new Story().hook(1, "UserPromptSubmit", turn).hook(5, "Interrupt", turn);
    interrupted
      .hook(5.02, "PostModelRequest", { ...turn, status: "cancelled" })
      .hook(5.03, "PostToolUse", tool("a"));
    expect(interrupted.state).toBe("idle/interrupted");
    const queued = new Story()
      .hook(1, "UserPromptSubmit", turn)
      .hook(5, "Stop", turn)
      .hook(5.02, "UserPromptSubmit", next);
    const late = { type: "agent-turn-complete", "turn-id": "t1", "thread-id": "s" };
    queued.add(5.05, "notify", "", { kind: "stop", attributes: { turn: late["turn-id"] } });
    expect(queued.state).toBe("running/turn");
  });
});

describe("a turn's end that is read anew", () => {
  it("on its screen is the one that is known", () => {
    const story = new Story().screen(10, "running", "turn").screen(20, "completed", "turn_end");
    const once = story.fold().status;
    expect(once.state).toBe("completed");
    expect(story.screen(200, "completed", "turn_end").fold().status).toEqual(once);
    const next = story.screen(300, "running", "turn").screen(310, "completed", "turn_end").fold().status;
    expect(next.at - once.at).toBe(290_000_000);
  });
});

interface Recorded {
  readonly t: number;
  readonly source: "hook" | "notify";
  readonly event: string;
  readonly payload: Record<string, unknown>;
}

describe.each(["hooks-daemon", "hooks-no-daemon"])("the recorded %s", (name) => {
  const path = join(import.meta.dirname, "..", "..", "fixtures", "codex", `${name}.jsonl`);
  const recorded = readFileSync(path, "utf8").trimEnd().split("\n");
  // Written by this repository's own recorder.
  const events = recorded.map((line) => JSON.parse(line) as Recorded);

  it("tells every turn's course by its hooks alone", () => {
    const turns = new Map<string, Recorded[]>();
    for (const event of events) {
      const id = event.payload["turn_id"];
      if (typeof id === "string") turns.set(id, [...(turns.get(id) ?? []), event]);
    }
    expect(turns.size).toBeGreaterThan(8);
    for (const [id, own] of turns) {
      const story = new Story();
      for (const { t, event, payload } of own) story.hook(t - (own[0]?.t ?? 0) + 1, event, payload);
      const names = own.map(({ event }) => event);
      const expected = names.includes("Stop")
        ? "completed"
        : names.includes("Interrupt")
          ? "idle"
          : names.includes("PostModelRequest")
            ? "error"
            : "running";
      expect(story.fold().status.state, `${id}: ${names.join(" ")}`).toBe(expected);
      expect(story.course.includes("waiting_approval"), id).toBe(names.includes("PermissionRequest"));
    }
  });
});
