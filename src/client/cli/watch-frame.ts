import type { WatchResponse } from "../../../gen/agtmux/v1/state_pb.js";
import { targetErrorLines } from "./notices.js";
import { printable } from "./printable.js";
import { countsText, paneTable, sessionTable, type TableView, windowTable } from "./tables.js";
import { cut } from "./text-table.js";
import type { WatchView } from "./watch-view.js";

export type Scope = "panes" | "windows" | "sessions";

/** All that one picture of the live list shows. */
export interface WatchFrame {
  readonly scope: Scope;
  readonly items: WatchView;
  /** The last message: its summary and targets head the picture. */
  readonly latest: WatchResponse;
  /** What to show instead of an empty table. */
  readonly empty: readonly string[];
  /** Why the stream is being resumed; undefined while it is live. */
  readonly reconnecting?: string | undefined;
}

export function tableLines(scope: Scope, items: WatchView, view: TableView): string[] {
  if (scope === "windows") return items.windows.length === 0 ? [] : windowTable(items.windows, view);
  if (scope === "sessions") return items.sessions.length === 0 ? [] : sessionTable(items.sessions, view);
  return items.panes.length === 0 ? [] : paneTable(items.panes, view);
}

function clock(ms: number): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  const time = new Date(ms);
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
}

function headerLine(frame: WatchFrame, view: TableView): string {
  const { summary, requestedTargets, targetErrors } = frame.latest;
  const total = summary?.total ?? 0;
  const failed = new Set(targetErrors.map((error) => error.target));
  const targets = requestedTargets.map((name) =>
    failed.has(name) ? `${printable(name)}!` : printable(name),
  );
  const parts = [
    `${total} ${total === 1 ? "agent" : "agents"}`,
    countsText(summary?.byState ?? {}),
    `on ${targets.join(", ")}`,
    clock(view.nowMs),
  ];
  const text = `agtmux  ${parts.filter((part) => part !== "" && part !== "on ").join("  ")}`;
  return view.palette.strong(view.width === undefined ? text : cut(text, view.width, view.measure));
}

/** The picture, line by line, at most `rows` lines; what does not fit is counted in the last one. */
export function frameLines(frame: WatchFrame, view: TableView, rows: number): string[] {
  const { palette } = view;
  const limit = (text: string) => (view.width === undefined ? text : cut(text, view.width, view.measure));
  const head = [headerLine(frame, view)];
  if (frame.reconnecting !== undefined) {
    head.push(palette.warning(limit(`reconnecting: ${printable(frame.reconnecting)}`)));
  }
  head.push(...targetErrorLines(frame.latest.targetErrors, view.nowMs, palette, view), "");
  const table = tableLines(frame.scope, frame.items, view);
  const body = table.length > 0 ? table : frame.empty.map(limit);
  const room = Math.max(1, rows - head.length);
  if (body.length <= room) return [...head, ...body];
  const hidden = body.length - room + 1;
  return [...head, ...body.slice(0, room - 1), palette.faint(`… and ${hidden} more`)];
}
