import { randomBytes } from "node:crypto";
import type { Executor, RunOptions } from "../targets/executor.js";
import { sequence } from "./argv.js";
import { AttributeReader, type StyledLine } from "./attributes.js";
import { MAX_LINE } from "./capture.js";
import { guarded, type PanePins } from "./guard.js";
import { cleanText } from "./text.js";

/** What one look at a pane found, all of one moment. */
export interface PaneLook extends Required<Omit<PanePins, "lines" | "present" | "absent" | "cursor">> {
  readonly dead: boolean;
  readonly inMode: boolean;
  readonly inputOff: boolean;
  readonly synchronized: boolean;
  readonly cursor: { readonly x: number; readonly y: number };
  readonly width: number;
  readonly height: number;
  /** From top to bottom, as many as the pane is high. */
  readonly lines: readonly LookedLine[];
}

export interface LookedLine extends StyledLine {
  /** As tmux holds it, with the characters that are nobody's to see. Hostile; for pins alone. */
  readonly raw: string;
}

const FIELDS = [
  "pane_pid",
  "pid",
  "start_time",
  "alternate_on",
  "pane_dead",
  "pane_in_mode",
  "pane_input_off",
  "pane_synchronized",
  "cursor_x",
  "cursor_y",
  "pane_width",
  "pane_height",
] as const;

/** Most bytes of a look's answer: a large screen with attributes on each cell. */
const MAX_LOOK_BYTES = 4 * 1024 * 1024;

/** Looks at a pane (`%N`); undefined if it is gone. Rejects with ExecutorError. */
export async function lookAtPane(
  executor: Executor,
  paneId: string,
  options: RunOptions = {},
): Promise<PaneLook | undefined> {
  const marker = randomBytes(8).toString("hex");
  const mark = ["display-message", "-p", marker];
  const target = ["-t", paneId];
  const question = sequence([
    guarded(
      paneId,
      "#{pane_id}",
      [
        ["display-message", "-p", ...target, FIELDS.map((name) => `#{${name}}`).join("|")],
        mark,
        ["display-message", "-p", ...target, "#{pane_current_command}"],
        mark,
        ["capture-pane", "-p", "-e", ...target],
        mark,
      ],
      [mark],
    ),
  ]);
  const { stdout } = await executor.run(question, { maxBytes: MAX_LOOK_BYTES, ...options });
  const [numbers = "", command, screen, end] = stdout.split(`${marker}\n`);
  // Of a pane that is gone there is one marker and nothing else.
  if (command === undefined || screen === undefined || end === undefined) return undefined;
  return read(paneId, numbers, command, screen);
}

function read(paneId: string, numbers: string, command: string, screen: string): PaneLook | undefined {
  const values = new Map(
    numbers
      .trimEnd()
      .split("|")
      .map((value, index) => [FIELDS[index], value]),
  );
  const number = (name: (typeof FIELDS)[number]): number => Number(values.get(name) || Number.NaN);
  const flag = (name: (typeof FIELDS)[number]): boolean => values.get(name) !== "0";
  const whole = FIELDS.map(number);
  if (values.size !== FIELDS.length || !whole.every((value) => Number.isSafeInteger(value))) return undefined;
  const reader = new AttributeReader();
  return {
    paneId,
    panePid: number("pane_pid"),
    serverPid: number("pid"),
    serverStart: number("start_time"),
    currentCommand: command.replace(/\n$/u, ""),
    alternateOn: flag("alternate_on"),
    dead: flag("pane_dead"),
    inMode: flag("pane_in_mode"),
    inputOff: flag("pane_input_off"),
    synchronized: flag("pane_synchronized"),
    cursor: { x: number("cursor_x"), y: number("cursor_y") },
    width: number("pane_width"),
    height: number("pane_height"),
    lines: screen
      .replace(/\n$/u, "")
      .split("\n")
      .map((line) => {
        const { text: raw, vivid } = reader.read(line);
        return { text: cleanText(raw, MAX_LINE), vivid: cleanText(vivid, MAX_LINE), raw };
      }),
  };
}
