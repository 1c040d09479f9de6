import { ExecutorError, failureReported, type RunResult } from "../executor.js";
import type { ShellAnswer } from "./command-lane.js";

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const BY_SIGNAL = 128;

/** What a shell's answer says of the tmux that it was to start, as `file` "on this host". Throws ExecutorError. */
export function tmuxAnswer(answer: ShellAnswer, file: string, place: string): RunResult {
  const { status } = answer;
  const stderr = answer.stderr.toString("utf8");
  if (status === NOT_FOUND) throw new ExecutorError("tmux_not_found", `no tmux found as ${file} ${place}`);
  if (status === NOT_EXECUTABLE) throw new ExecutorError("failed", `${file} cannot be run ${place}`);
  if (status > BY_SIGNAL) throw new ExecutorError("failed", `tmux was ended by signal ${status - BY_SIGNAL}`);
  const failure = failureReported(status, stderr);
  if (failure !== undefined) throw failure;
  return { status, stdout: answer.stdout.toString("utf8"), stderr };
}
