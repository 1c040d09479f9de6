import { randomBytes } from "node:crypto";
import type { ViewOutputRequest } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { ActionOutcome } from "../store/action-store.js";
import { ExecutorError } from "../targets/executor.js";
import { sequence } from "../tmux/argv.js";
import { guarded } from "../tmux/guard.js";
import type { Job, Request } from "./desk.js";
import { neutralLines } from "./neutral-text.js";
import { unreached } from "./pane-hand.js";
import { panePins } from "./pane-pins.js";

const DEFAULT_LINES = 200;
export const MAX_LINES = 10_000;

/** What was seen; not stored. */
export interface ViewedOutput {
  lines: readonly string[];
  truncated: boolean;
}

/** The request of a look at a pane's last lines; what it shows is put into `viewed`. Throws E_INVALID_ARGUMENT. */
export function viewOutputRequest(
  { target, lines, colors }: ViewOutputRequest,
  caller: string,
  viewed: ViewedOutput,
): Request {
  if (lines < 0 || lines > MAX_LINES)
    throw invalidArgument("lines", `must be 1 to ${MAX_LINES}, or 0 for ${DEFAULT_LINES}`);
  return {
    type: "view_output",
    target,
    caller,
    payload: [String(lines), String(colors)],
    deed: "view_output",
    anew: true,
    plainPanes: true,
    act: (job) => view(job, lines === 0 ? DEFAULT_LINES : lines, colors, viewed),
  };
}

async function view(
  { pane, monitor, bootId }: Job,
  lines: number,
  colors: boolean,
  viewed: ViewedOutput,
): Promise<ActionOutcome> {
  const paneId = pane.identity?.paneId ?? "";
  const mark = randomBytes(8).toString("hex");
  const say = ["display-message", "-p", mark];
  const facts = ["display-message", "-p", "-t", paneId, "#{history_size}"];
  /** How far up it was looked. */
  let above = lines;
  const seen = async (): Promise<string> => {
    const capture = ["capture-pane", "-p", ...(colors ? ["-e"] : []), "-S", `-${above}`, "-t", paneId];
    const steps = [facts, say, capture, say];
    const look = guarded(paneId, panePins(pane, bootId), steps, [["display-message", "-p", "none"]]);
    try {
      return (await monitor.executor.run(sequence([look]))).stdout;
    } catch (error) {
      const tooLarge = error instanceof ExecutorError && error.kind === "too_large";
      if (!tooLarge || above === 0) throw unreached(error, pane.identity?.target ?? "");
      // Wide lines in many colours: half as many may fit.
      above = Math.floor(above / 2);
      return seen();
    }
  };
  const [numbers = "", screen, end] = (await seen()).split(`${mark}\n`);
  if (screen === undefined || end === undefined)
    throw new ContractError(ErrorCode.E_RUNTIME_STALE, "the pane is gone, or has another process");
  const history = Number(numbers);
  const all = screen.replace(/\n$/u, "").split("\n");
  // What is below the last line that was ever written is no output.
  while (all.at(-1)?.trim() === "") all.pop();
  viewed.lines = neutralLines(all.slice(-lines), colors);
  viewed.truncated = history > above || all.length > lines;
  return { code: "ok", message: `${viewed.lines.length} lines` };
}
