import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type TargetError, TargetHealth } from "../../../gen/agtmux/v1/common_pb.js";
import type { Filter } from "../../../gen/agtmux/v1/state_pb.js";
import type { Target } from "../../../gen/agtmux/v1/target_pb.js";
import { ageText } from "./durations.js";
import type { Palette } from "./palette.js";
import { printable } from "./printable.js";
import { cut, type TablePlace } from "./text-table.js";

/** One line per target that did not respond, cut to the place's width. */
export function targetErrorLines(
  errors: readonly TargetError[],
  nowMs: number,
  palette: Palette,
  { width, measure }: TablePlace,
): string[] {
  return errors.map((error) => {
    const seen =
      error.lastOkAt === undefined
        ? "never seen well"
        : `last seen ${ageText(nowMs - timestampMs(error.lastOkAt))} ago`;
    const text = `! ${printable(error.target)}: ${printable(error.message)} (${seen})`;
    return palette.warning(width === undefined ? text : cut(text, width, measure));
  });
}

function isNarrowed(filter: Filter | undefined): boolean {
  if (filter === undefined) return false;
  const lists = [filter.targets, filter.targetSessions, filter.sessions, filter.states, filter.agents];
  return lists.some((list) => list.length > 0) || filter.needsAction !== undefined;
}

/** What to say instead of an empty table: why it is empty, and what to do next. */
export function emptyLines(what: string, filter: Filter | undefined, targets: readonly Target[]): string[] {
  if (isNarrowed(filter)) return [`No ${what} matches the filter.`];
  if (targets.length > 0 && targets.every((target) => target.health === TargetHealth.CONNECTING)) {
    return ["No target has answered yet."];
  }
  if (targets.length > 0 && targets.every((target) => target.healthReason === "tmux_not_found")) {
    return [
      "tmux is not installed, so there is nothing to watch. Install it first:",
      "  Debian, Ubuntu: sudo apt install tmux",
      "  Fedora:         sudo dnf install tmux",
      "  macOS:          brew install tmux",
    ];
  }
  return [
    "No agents yet. Start one in a tmux pane:",
    "  tmux new-session -s work claude",
    "or codex instead of claude. It shows up here by itself.",
  ];
}
