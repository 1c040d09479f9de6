import pico from "picocolors";
import { AgentState } from "../../../gen/agtmux/v1/common_pb.js";
import type { Environment } from "../paths.js";
import type { Style } from "./text-table.js";

export interface Palette {
  readonly header: Style;
  readonly faint: Style;
  readonly strong: Style;
  readonly warning: Style;
  state(state: AgentState): Style;
}

/** Colours for a terminal; plain text elsewhere, and where NO_COLOR is set (to anything but nothing). */
export function paletteFor(isTerminal: boolean, env: Environment): Palette {
  const wanted = isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
  const colors = pico.createColors(wanted);
  const urgent =
    (color: Style): Style =>
    (text) =>
      colors.bold(color(text));
  const states: Readonly<Record<AgentState, Style>> = {
    [AgentState.UNSPECIFIED]: colors.dim,
    [AgentState.UNKNOWN]: colors.magenta,
    [AgentState.IDLE]: colors.dim,
    [AgentState.COMPLETED]: colors.cyan,
    [AgentState.RUNNING]: colors.green,
    [AgentState.WAITING_INPUT]: urgent(colors.yellow),
    [AgentState.WAITING_APPROVAL]: urgent(colors.yellow),
    [AgentState.ERROR]: urgent(colors.red),
  };
  return {
    header: colors.bold,
    faint: colors.dim,
    strong: colors.bold,
    warning: colors.yellow,
    state: (state) => states[state] ?? colors.dim,
  };
}
