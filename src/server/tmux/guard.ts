import { NEXT_COMMAND } from "./argv.js";

/** One pane with one first process, in one life of a tmux server. */
export interface PaneInstance {
  /** `%N` */
  readonly paneId: string;
  /** The pane's first process. */
  readonly panePid: number;
  /** Of the tmux server: its pid and `#{start_time}`. */
  readonly serverPid: number;
  readonly serverStart: number;
}

/** What must hold in the very turn of tmux in which keys are sent. */
export interface PanePins extends PaneInstance {
  /** `#{pane_current_command}` as it was seen. Hostile. */
  readonly currentCommand: string;
  readonly alternateOn: boolean;
  /** Column and line of the cursor, if it must not have moved. */
  readonly cursor?: { readonly x: number; readonly y: number } | undefined;
  /** Lines that must stand on the screen. Hostile. */
  readonly lines?: readonly string[] | undefined;
  /** Patterns of an adapter, one of whose lines must stand on the screen each; POSIX extended, see `isFormatSafe`. */
  readonly present?: readonly string[] | undefined;
  /** Patterns of an adapter of which none may stand on the screen. */
  readonly absent?: readonly string[] | undefined;
}

/** Most lines of a screen that are pinned; a condition must fit an argument list with room to spare. */
export const MAX_PINNED_LINES = 60;
/** Longest part of a line that is pinned, in characters. */
const MAX_PINNED_CHARS = 120;

/**
 * The condition under which keys may be sent, as a tmux format. The pane's id comes first: formats of a pane that is
 * gone are empty and would satisfy what compares with nothing.
 */
export function guardCondition(pins: PanePins): string {
  const { cursor, lines = [], present = [], absent = [] } = pins;
  return every([
    ...instance(pins),
    `#{m:${glob(pins.currentCommand)},#{pane_current_command}}`,
    same("pane_dead", "0"),
    same("pane_in_mode", "0"),
    same("pane_input_off", "0"),
    same("pane_synchronized", "0"),
    same("alternate_on", pins.alternateOn ? "1" : "0"),
    ...(cursor === undefined ? [] : [same("cursor_x", whole(cursor.x)), same("cursor_y", whole(cursor.y))]),
    ...lines.flatMap((line) => pinnedLine(line) ?? []),
    ...present.map(screenHas),
    ...absent.map((pattern) => `#{==:${screenHas(pattern)},0}`),
  ]);
}

/** The condition under which a pane is this one, in this life of its server and with this first process. */
export function instanceCondition(pins: PaneInstance): string {
  return every(instance(pins));
}

function instance({ paneId, panePid, serverPid, serverStart }: PaneInstance): string[] {
  if (!/^%\d{1,10}$/u.test(paneId)) throw new RangeError("a pane id is not of the form %N");
  return [
    same("pane_id", paneId),
    same("pane_pid", whole(panePid)),
    same("pid", whole(serverPid)),
    same("start_time", whole(serverStart)),
  ];
}

/** Whether a pattern of an adapter may stand in a format: nothing that the format language reads. */
export function isFormatSafe(pattern: string): boolean {
  return !/[#{},:]/u.test(pattern);
}

/**
 * A tmux format that is true while a screen shows this line, whatever frames it; undefined for a line without letters
 * and digits. What comes from a screen enters a format as letters, digits and blanks alone: tmux expands formats within
 * `#{C:…}`, and `#(…)` executes there.
 */
export function pinnedLine(line: string): string | undefined {
  const core = /[A-Za-z0-9](?:.*[A-Za-z0-9])?/u.exec(line.slice(0, MAX_PINNED_CHARS))?.[0];
  if (core === undefined) return undefined;
  // One character that is none of ours may be several to tmux, or of two columns.
  const pattern = core.replace(/[^A-Za-z0-9 ]+/gu, (run) => (/^[\x21-\x7e]$/u.test(run) ? "." : ".+"));
  const end = line.length > MAX_PINNED_CHARS ? "" : "[^A-Za-z0-9]*$";
  return screenHas(`^[^A-Za-z0-9]*${pattern}${end}`);
}

/**
 * One tmux command that runs `granted` if the condition holds and `refused` if not, both in the same turn as the test.
 * Their words may hold nothing that tmux's command parser reads: ids, key names, and names of our own.
 */
export function guarded(
  paneId: string,
  condition: string,
  granted: readonly (readonly string[])[],
  refused: readonly (readonly string[])[],
): string[] {
  return ["if-shell", "-F", "-t", paneId, condition, branch(granted), branch(refused)];
}

/** What tells whether a server's `if-shell -F` guards: each answer is of one letter, in the order of `PROBE_ANSWERS`. */
export function guardProbe(paneId: string): string[] {
  const verdict = (condition: string): string[] =>
    guarded(paneId, condition, [["display-message", "-p", "y"]], [["display-message", "-p", "n"]]);
  return [
    verdict(same("pane_id", paneId)),
    verdict(same("pane_id", "%0-none")),
    verdict(every([same("pane_id", paneId), same("pane_id", "%0-none"), same("pane_id", paneId)])),
    verdict(every([same("pane_dead", "none"), same("pane_id", paneId)])),
    verdict(`#{m:${glob("*")},${paneId}}`),
    verdict(screenHas("^")),
    verdict(screenHas("^agtmux[0-9]never[^A-Za-z0-9]*$")),
    verdict(`#{==:${screenHas("^agtmux[0-9]never$")},0}`),
  ].flatMap((command, index) => (index === 0 ? command : [NEXT_COMMAND, ...command]));
}

/** What `guardProbe` prints where the guard works. */
export const PROBE_ANSWERS = "y\nn\nn\nn\nn\ny\nn\ny\n";

function branch(commands: readonly (readonly string[])[]): string {
  return commands
    .map((words) =>
      words
        .map((word) => {
          if (!/^[A-Za-z0-9@%$_.:#{}|-]+$/u.test(word))
            throw new RangeError("a word does not fit a guarded command");
          return /[#{}%$|]/u.test(word) ? `'${word}'` : word;
        })
        .join(" "),
    )
    .join(" ; ");
}

function every(conditions: readonly string[]): string {
  // A balanced tree: tmux gives up on formats that are nested too deeply, and takes two operands at a time.
  const [first = "1"] = conditions;
  if (conditions.length <= 1) return first;
  const half = Math.ceil(conditions.length / 2);
  return `#{&&:${every(conditions.slice(0, half))},${every(conditions.slice(half))}}`;
}

function same(variable: string, value: string): string {
  return `#{==:#{${variable}},${value}}`;
}

function screenHas(pattern: string): string {
  return `#{C/r:${pattern}}`;
}

/**
 * A pattern that fits this text and others that differ in what is neither a letter nor a digit, or behind what could not
 * be read. One `*` at most: of several, each multiplies the time that tmux takes over a text that does not fit.
 */
function glob(text: string): string {
  const [begin = "", ...rest] = text.split("\ufffd");
  const cut = rest.length > 0 || begin.length > MAX_PINNED_CHARS;
  return `${begin.slice(0, MAX_PINNED_CHARS).replace(/[^A-Za-z0-9]/gu, "?")}${cut ? "*" : ""}`;
}

function whole(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("a whole number is expected");
  return String(value);
}
