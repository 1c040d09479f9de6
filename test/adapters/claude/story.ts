import { readFileSync } from "node:fs";
import { join } from "node:path";
import { normalizeClaude } from "../../../src/server/adapters/claude/normalize.js";
import { type ClaudeMemory, claudeReducer } from "../../../src/server/adapters/claude/reducer.js";
import { CLAUDE_SCREEN } from "../../../src/server/adapters/claude/screen.js";
import type { BoundEvent, Transition } from "../../../src/server/engine/event.js";
import { emptyFold, type Fold, refold } from "../../../src/server/engine/fold.js";
import type { Source, Status } from "../../../src/server/engine/state.js";

export const FIXTURES = join(import.meta.dirname, "..", "..", "fixtures");

/** One signal of a story: when it happened (ms), and on which surface. */
export interface Signal {
  readonly surface: "hooks" | "session" | "screen";
  readonly at: number;
  readonly source: Source;
  readonly channel: string;
  readonly transition: Transition | undefined;
}

/** A hook that Claude Code ran, with the fields of its payload that matter. */
export function hook(at: number, event: string, payload: Record<string, unknown> = {}): Signal {
  const { transition } = normalizeClaude({ source: "hook", channel: "", eventType: event, payload });
  return { surface: "hooks", at, source: "hook", channel: "", transition };
}

/** The session file's status, as its subscription tells it. */
export function session(at: number, status: string, waitingFor = ""): Signal {
  const transition = { kind: "session_status", attributes: { status, waitingFor } };
  return { surface: "session", at, source: "native", channel: "session_file", transition };
}

/** A rule that matched the screen: one look, and the proof 1.5 s later where the rule is conclusive. */
export function screen(at: number, id: string, digest = ""): Signal[] {
  const rule = CLAUDE_SCREEN.rules.find((known) => known.id === id);
  if (rule === undefined) throw new Error(`no rule ${id}`);
  const look = (when: number, confirmed: boolean): Signal => {
    const attributes = { rule: id, state: rule.state, reason: rule.reason, digest, confirmed };
    return {
      surface: "screen",
      at: when,
      source: "poller",
      channel: "screen",
      transition: { kind: "screen", attributes },
    };
  };
  return rule.conclusive ? [look(at, false), look(at + 1_500, true)] : [look(at, false)];
}

export const MODES = {
  "hooks only": ["hooks"],
  "session file only": ["session"],
  "hooks and session file": ["hooks", "session"],
  "screen only": ["screen"],
  "session file and screen": ["session", "screen"],
  "hooks and screen": ["hooks", "screen"],
  everything: ["hooks", "session", "screen"],
} as const satisfies Record<string, readonly Signal["surface"][]>;

export type Mode = keyof typeof MODES;

/** What one mode knows at a time: the signals of its surfaces up to then, folded. */
export function foldAt(story: readonly Signal[], mode: Mode, at: number): Fold<ClaudeMemory> {
  const surfaces: readonly Signal["surface"][] = MODES[mode];
  const events = story
    .map((signal, index): BoundEvent & Signal => ({
      ...signal,
      eventId: `e${String(index).padStart(4, "0")}`,
      eventTime: signal.at * 1_000,
      ingestedAt: signal.at * 1_000,
      effectiveTime: signal.at * 1_000,
    }))
    .filter((event) => surfaces.includes(event.surface) && event.at <= at);
  return refold(emptyFold(claudeReducer, 0), events, claudeReducer);
}

export function word({ state, reason }: Status): string {
  return `${state}/${reason}`;
}

/** What every mode says at a time. */
export function seenBy(story: readonly Signal[], at: number): Record<Mode, string> {
  const says = (mode: Mode): [Mode, string] => [mode, word(foldAt(story, mode, at).status)];
  // Sound: the keys are exactly those of MODES.
  return Object.fromEntries((Object.keys(MODES) as Mode[]).map(says)) as Record<Mode, string>;
}

/** The same word in every mode, but for those named. */
export function all(expected: string, but: Partial<Record<Mode, string>> = {}): Record<Mode, string> {
  const says = (mode: Mode): [Mode, string] => [mode, but[mode] ?? expected];
  // Sound: as above.
  return Object.fromEntries((Object.keys(MODES) as Mode[]).map(says)) as Record<Mode, string>;
}

export interface RecordedHook {
  /** Seconds. */
  readonly t: number;
  readonly event: string;
  readonly payload: Record<string, unknown>;
}

/** The recorded hooks of a pane, in the order in which they ran. */
export function recordedHooks(pane: string): RecordedHook[] {
  const text = readFileSync(join(FIXTURES, "claude", "hooks", `${pane}.jsonl`), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RecordedHook); // the fixture's own shape
}

/** A recorded screen, without what the recorder noted above it. */
export function recordedScreen(path: string): string[] {
  const text = readFileSync(join(FIXTURES, "claude", "screens", `${path}.txt`), "utf8");
  const [, shown] = text.split("-- screen\n");
  if (shown === undefined) throw new Error(`${path} holds no screen`);
  return shown.split("\n");
}
