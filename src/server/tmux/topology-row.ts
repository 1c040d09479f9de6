import { cleanText } from "./text.js";

/** Longest session, window and group names kept, in characters. */
export const MAX_NAME = 256;
export const MAX_PATH = 4_096;
/** Longest title kept with its glyphs; `normalizeTitle` cuts it further. */
export const MAX_RAW_TITLE = 2_048;

export interface SessionRow {
  /** `$N` */
  readonly sessionId: string;
  readonly sessionName: string;
  /** Name of the group of sessions that share their windows; undefined: in none. */
  readonly sessionGroup: string | undefined;
  /** Number of attached clients. */
  readonly sessionAttached: number;
  readonly windows: number;
}

/** One pane in one window as linked into one session. Texts are bounded and without control characters. */
export interface LinkRow {
  readonly sessionId: string;
  readonly sessionName: string;
  readonly sessionGroup: string | undefined;
  readonly sessionAttached: number;
  /** `@N` */
  readonly windowId: string;
  readonly windowName: string;
  readonly windowIndex: number;
  /** The current window of that session. */
  readonly windowActive: boolean;
  /** Whole seconds since the epoch of the window's last output or input, by the tmux server's clock. */
  readonly windowActivity: number;
  /** `%N` */
  readonly paneId: string;
  readonly paneIndex: number;
  /** The active pane of its window. */
  readonly paneActive: boolean;
  /** The pane's first process. Of a dead pane the pid may by now be anybody's. */
  readonly panePid: number;
  /** Path of its terminal. */
  readonly paneTty: string;
  readonly dead: boolean;
  /** Exit status; undefined while it lives, after a signal, or where tmux has not collected it. */
  readonly deadStatus: number | undefined;
  /** Signal that ended it, by number or name as tmux gives it. */
  readonly deadSignal: string | undefined;
  readonly inMode: boolean;
  readonly alternateOn: boolean;
  readonly inputOff: boolean;
  readonly synchronized: boolean;
  readonly width: number;
  readonly height: number;
  /** Undefined in a cheap reading. */
  readonly currentCommand: string | undefined;
  /** Undefined in a cheap reading. Empty where tmux cannot tell. */
  readonly currentPath: string | undefined;
  /** With the agent's glyphs; see normalizeTitle. For memory only: agents put prompts here. */
  readonly title: string;
}

export const sessionFields = [
  "session_id",
  "session_name",
  "session_group",
  "session_attached",
  "session_windows",
] as const;

const LINK_FIELDS = [
  "session_id",
  "session_name",
  "session_group",
  "session_attached",
  "window_id",
  "window_name",
  "window_index",
  "window_active",
  "window_activity",
  "pane_id",
  "pane_index",
  "pane_active",
  "pane_pid",
  "pane_tty",
  "pane_dead",
  "pane_dead_status",
  "pane_dead_signal",
  "pane_in_mode",
  "alternate_on",
  "pane_input_off",
  "pane_synchronized",
  "pane_width",
  "pane_height",
  "pane_title",
] as const;

const COSTLY_FIELDS = ["pane_current_command", "pane_current_path"] as const;

/** The format variables of a pane's row, in order. */
export function linkFields(cheap: boolean): readonly string[] {
  return cheap ? LINK_FIELDS : [...LINK_FIELDS, ...COSTLY_FIELDS];
}

/** Reads the values of `sessionFields`; undefined if they are not such a row. */
export function parseSession(fields: readonly string[]): SessionRow | undefined {
  const [id = "", name = "", group = "", attached = "", windows = ""] = fields;
  if (fields.length !== sessionFields.length || !isId("$", id)) return undefined;
  const numbers = [attached, windows].map(parseCount);
  const [sessionAttached, windowCount] = numbers;
  if (sessionAttached === undefined || windowCount === undefined) return undefined;
  return {
    sessionId: id,
    sessionName: cleanText(name, MAX_NAME),
    sessionGroup: parseName(group),
    sessionAttached,
    windows: windowCount,
  };
}

/** Reads the values of `linkFields`; undefined if they are not such a row. */
export function parseLink(fields: readonly string[], cheap: boolean): LinkRow | undefined {
  if (fields.length !== linkFields(cheap).length) return undefined;
  const raw = (name: (typeof LINK_FIELDS)[number]): string => fields[LINK_FIELDS.indexOf(name)] ?? "";
  const flag = (name: (typeof LINK_FIELDS)[number]): boolean => raw(name) !== "" && raw(name) !== "0";
  const sessionId = raw("session_id");
  const windowId = raw("window_id");
  const paneId = raw("pane_id");
  const sessionAttached = parseCount(raw("session_attached"));
  const windowIndex = parseCount(raw("window_index"));
  const windowActivity = parseCount(raw("window_activity"));
  const paneIndex = parseCount(raw("pane_index"));
  const panePid = parseCount(raw("pane_pid"));
  const width = parseCount(raw("pane_width"));
  const height = parseCount(raw("pane_height"));
  if (!isId("$", sessionId) || !isId("@", windowId) || !isId("%", paneId)) return undefined;
  if (sessionAttached === undefined || windowIndex === undefined || windowActivity === undefined)
    return undefined;
  if (paneIndex === undefined || panePid === undefined || width === undefined || height === undefined) {
    return undefined;
  }
  return {
    sessionId,
    sessionName: cleanText(raw("session_name"), MAX_NAME),
    sessionGroup: parseName(raw("session_group")),
    sessionAttached,
    windowId,
    windowName: cleanText(raw("window_name"), MAX_NAME),
    windowIndex,
    windowActive: flag("window_active"),
    windowActivity,
    paneId,
    paneIndex,
    paneActive: flag("pane_active"),
    panePid,
    paneTty: cleanText(raw("pane_tty"), MAX_NAME),
    dead: flag("pane_dead"),
    deadStatus: parseCount(raw("pane_dead_status")),
    deadSignal: parseName(raw("pane_dead_signal")),
    inMode: flag("pane_in_mode"),
    alternateOn: flag("alternate_on"),
    inputOff: flag("pane_input_off"),
    synchronized: flag("pane_synchronized"),
    width,
    height,
    title: cleanText(raw("pane_title"), MAX_RAW_TITLE),
    currentCommand: cheap ? undefined : cleanText(fields[LINK_FIELDS.length] ?? "", MAX_NAME),
    currentPath: cheap ? undefined : cleanText(fields[LINK_FIELDS.length + 1] ?? "", MAX_PATH),
  };
}

function isId(sigil: string, id: string): boolean {
  return id.startsWith(sigil) && /^\d{1,10}$/.test(id.slice(1));
}

/** A whole number below 10^12, which holds times in seconds too. */
function parseCount(text: string): number | undefined {
  return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

function parseName(text: string): string | undefined {
  return text === "" ? undefined : cleanText(text, MAX_NAME);
}
