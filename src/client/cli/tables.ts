import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AgentState } from "../../../gen/agtmux/v1/common_pb.js";
import type { Pane, Rollup, Session, Window } from "../../../gen/agtmux/v1/state_pb.js";
import { ageText } from "./durations.js";
import type { Palette } from "./palette.js";
import { printable } from "./printable.js";
import { type Cell, type Column, type TablePlace, textTable } from "./text-table.js";
import { STATES_BY_PRECEDENCE, stateWord } from "./words.js";

export interface TableView extends TablePlace {
  readonly palette: Palette;
  /** The time that ages are counted to, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** The user's home directory, shown as `~`. */
  readonly home: string | undefined;
}

/** From this width on there is room for the title and the directory side by side. */
const WIDE = 120;

const PANE_COLUMNS: readonly Column[] = [
  { title: "STATE", min: 18, shrink: 0 },
  { title: "AGENT", min: 6, shrink: 1 },
  { title: "PANE", min: 16, shrink: 2 },
  { title: "FOR", min: 6, shrink: 0 },
  { title: "WHY", min: 8, shrink: 3 },
];
const TITLE: Column = { title: "TITLE", min: 10, shrink: 5 };
const CWD: Column = { title: "CWD", min: 8, shrink: 4 };
const TITLE_OR_CWD: Column = { title: "TITLE/CWD", min: 12, shrink: 5 };

function directory(cwd: string, home: string | undefined): string {
  if (home === undefined || home === "" || home === "/") return cwd;
  return cwd === home || cwd.startsWith(`${home}/`) ? `~${cwd.slice(home.length)}` : cwd;
}

function stateCell(state: AgentState | undefined, needsAction: boolean, palette: Palette): Cell {
  if (state === undefined || state === AgentState.UNSPECIFIED) return { text: "  -", style: palette.faint };
  return { text: `${needsAction ? "!" : " "} ${stateWord(state)}`, style: palette.state(state) };
}

/** `target/session:window.pane %id`. */
export function panePlace(pane: Pane): string {
  const { target = "", sessionName = "", paneId = "" } = pane.identity ?? {};
  return `${printable(target)}/${printable(sessionName)}:${pane.windowIndex}.${pane.paneIndex} ${printable(paneId)}`;
}

function paneRow(pane: Pane, view: TableView, wide: boolean): Cell[] {
  const { palette } = view;
  const { agent } = pane;
  const title = printable(pane.title);
  const cwd = directory(printable(pane.cwd), view.home);
  const tail: Cell[] = wide
    ? [{ text: title }, { text: cwd, style: palette.faint }]
    : [title === "" ? { text: cwd, style: palette.faint } : { text: title }];
  if (agent === undefined) {
    const command = { text: printable(pane.currentCommand), style: palette.faint };
    return [
      stateCell(undefined, false, palette),
      { text: "-" },
      { text: panePlace(pane) },
      { text: "" },
      command,
      ...tail,
    ];
  }
  const ended = agent.endedAt !== undefined;
  const from = ended ? agent.endedAt : agent.since;
  const state = ended
    ? { text: "  ended", style: palette.faint }
    : stateCell(agent.state, agent.needsAction, palette);
  const why = ended ? agent.endReason : agent.reasonCode;
  return [
    state,
    { text: printable(agent.agentType) },
    { text: panePlace(pane) },
    { text: from === undefined ? "" : ageText(view.nowMs - timestampMs(from)) },
    { text: printable(why) },
    ...tail,
  ];
}

export function paneTable(panes: readonly Pane[], view: TableView): string[] {
  const wide = view.width === undefined || view.width >= WIDE;
  const columns = [...PANE_COLUMNS, ...(wide ? [TITLE, CWD] : [TITLE_OR_CWD])];
  const rows = panes.map((pane) => paneRow(pane, view, wide));
  return textTable(columns, rows, view, view.palette.header);
}

/** Counts by state, the most urgent first: `2 waiting_approval, 1 running`. */
export function countsText(byState: Readonly<Record<string, number>>): string {
  const known = STATES_BY_PRECEDENCE.map(stateWord);
  const unknown = Object.keys(byState).filter((name) => !known.includes(name));
  return [...known, ...unknown.sort()]
    .filter((name) => (byState[name] ?? 0) > 0)
    .map((name) => `${byState[name]} ${printable(name)}`)
    .join(", ");
}

const ROLLUP_COLUMNS: readonly Column[] = [
  { title: "AGENTS", min: 6, shrink: 0 },
  { title: "PANES", min: 5, shrink: 0 },
  { title: "STATES", min: 8, shrink: 5 },
];

function rollupCells(rollup: Rollup | undefined): Cell[] {
  return [
    { text: String(rollup?.agents ?? 0) },
    { text: String(rollup?.panes ?? 0) },
    { text: countsText(rollup?.byState ?? {}) },
  ];
}

function rollupState(rollup: Rollup | undefined, palette: Palette): Cell {
  return stateCell(rollup?.state, (rollup?.needsAction ?? 0) > 0, palette);
}

export function windowTable(windows: readonly Window[], view: TableView): string[] {
  const columns: Column[] = [
    { title: "STATE", min: 18, shrink: 0 },
    { title: "WINDOW", min: 16, shrink: 2 },
    { title: "NAME", min: 6, shrink: 3 },
    ...ROLLUP_COLUMNS,
  ];
  const rows = windows.map(({ identity, windowIndex, windowName, rollup }) => [
    rollupState(rollup, view.palette),
    {
      text: `${printable(identity?.target ?? "")}/${printable(identity?.sessionName ?? "")}:${windowIndex} ${printable(identity?.windowId ?? "")}`,
    },
    { text: printable(windowName) },
    ...rollupCells(rollup),
  ]);
  return textTable(columns, rows, view, view.palette.header);
}

function sessionPlace(session: Session): string {
  const name = printable(session.identity?.sessionName ?? "");
  if (session.parts.length === 0) return `${printable(session.identity?.target ?? "")}/${name}`;
  return `${name} (${session.parts.map((part) => printable(part.target)).join(", ")})`;
}

export function sessionTable(sessions: readonly Session[], view: TableView): string[] {
  const columns: Column[] = [
    { title: "STATE", min: 18, shrink: 0 },
    { title: "SESSION", min: 12, shrink: 2 },
    { title: "WINDOWS", min: 7, shrink: 0 },
    { title: "ATTACHED", min: 8, shrink: 0 },
    ...ROLLUP_COLUMNS,
  ];
  const rows = sessions.map((session) => [
    rollupState(session.rollup, view.palette),
    { text: sessionPlace(session) },
    { text: String(session.windows) },
    { text: session.attached === 0 ? "" : String(session.attached) },
    ...rollupCells(session.rollup),
  ]);
  return textTable(columns, rows, view, view.palette.header);
}
