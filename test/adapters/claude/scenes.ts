import { foldAt, hook, MODES, type Mode, type Signal, screen, session } from "./story.js";

export const start: Signal[] = [
  hook(500, "SessionStart", { source: "startup" }),
  session(700, "idle"),
  ...screen(1_000, "ready"),
];

/** A prompt is sent; `turn` is the id that the hooks give it. */
export function prompt(at: number, turn: string): Signal[] {
  return [
    session(at + 50, "busy"),
    hook(at + 150, "UserPromptSubmit", { prompt_id: turn }),
    ...screen(at + 300, "running"),
  ];
}

/** A tool asks: Claude says so in its session file at once, by a hook a little later, and again after 6 s. */
export function asks(at: number, digest = "d1"): Signal[] {
  return [
    hook(at, "PreToolUse", { tool_name: "Bash" }),
    session(at + 10, "waiting", "permission prompt"),
    hook(at + 200, "PermissionRequest", { tool_name: "Bash" }),
    ...screen(at + 300, "permission", digest),
  ];
}

export function reminder(at: number): Signal {
  return hook(at, "Notification", { notification_type: "permission_prompt" });
}

export function ends(at: number): Signal[] {
  return [hook(at, "Stop", { background_tasks: [] }), session(at + 50, "idle"), ...screen(at + 100, "done")];
}

export function interrupted(at: number): Signal[] {
  return [session(at + 100, "idle"), ...screen(at + 200, "interrupted")];
}

export function episodes(story: readonly Signal[], at: number): Record<string, number | undefined> {
  const modes = Object.keys(MODES) as Mode[]; // the keys of MODES
  return Object.fromEntries(modes.map((mode) => [mode, foldAt(story, mode, at).status.dialog?.episode]));
}

export function sameEpisode(episode: number): Record<string, number> {
  return Object.fromEntries(Object.keys(MODES).map((mode) => [mode, episode]));
}
