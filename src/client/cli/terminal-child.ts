// By its default: the bundle knows this module's names only as far as starting a command needs them.
import childProcess, { type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError } from "../errors.js";
import type { Environment } from "../paths.js";

/**
 * Undoes what a program may have left on in a terminal: alternate screen, scroll region, hidden cursor, no wrapping,
 * application keys, mouse, focus and paste reporting, extended keys, another character set, attributes. The cursor goes
 * to the last line, for where it stood is not known: so nothing on the screen is written over.
 */
const RESTORE = [
  "\u001b[?1047l",
  "\u001b[r",
  "\u001b[?25h",
  "\u001b[?7h",
  "\u001b[?1l",
  "\u001b>",
  "\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1005l\u001b[?1006l\u001b[?1015l",
  "\u001b[?1004l",
  "\u001b[?2004l",
  "\u001b[>4m",
  "\u001b(B",
  "\u001b[0m",
  "\u001b[999B\r\n",
].join("");

const SETTINGS = /^[0-9a-zA-Z][0-9a-zA-Z:=_-]*$/;
/** The terminal itself sends these to every process in front, the child too: this one only has to outlive it. */
const FROM_TERMINAL = ["SIGINT", "SIGQUIT"] as const;
const PASSED_ON = ["SIGTERM", "SIGHUP"] as const;

/** The terminal's settings in stty's own words; undefined where it cannot tell. */
function settings(): string | undefined {
  const { status, stdout } = childProcess.spawnSync("stty", ["-g"], {
    stdio: ["inherit", "pipe", "ignore"],
    encoding: "utf8",
  });
  const words = status === 0 ? stdout.trim() : "";
  return SETTINGS.test(words) ? words : undefined;
}

function restore(saved: string | undefined, write: (text: string) => void): void {
  if (saved !== undefined)
    childProcess.spawnSync("stty", [saved], { stdio: ["inherit", "ignore", "ignore"] });
  write(RESTORE);
}

/** Whether the child was stopped (as by tmux's suspend-client); always false where there is no /proc. */
function isStopped({ pid, exitCode, signalCode }: ChildProcess): boolean {
  if (pid === undefined || exitCode !== null || signalCode !== null) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    return false;
  }
}

/** Resolves with the exit status of what `start` starts once it has ended. Rejects if it could not be started. */
async function ended(start: () => ChildProcess): Promise<number> {
  let child: ChildProcess | undefined;
  const outlive = () => undefined;
  const passOn = (signal: NodeJS.Signals) => {
    child?.kill(signal);
  };
  // Who stops the child wants the shell back, which waits for this process.
  const stopToo = () => {
    if (child !== undefined && isStopped(child)) process.kill(process.pid, "SIGSTOP");
  };
  // Before the start: a signal that comes before its listener is lost.
  for (const name of FROM_TERMINAL) process.on(name, outlive);
  for (const name of PASSED_ON) process.on(name, passOn);
  process.on("SIGCHLD", stopToo);
  try {
    const started = start();
    child = started;
    return await new Promise<number>((resolve, reject) => {
      started.once("error", reject);
      started.once("exit", (status, signal) => {
        resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    for (const name of FROM_TERMINAL) process.off(name, outlive);
    for (const name of PASSED_ON) process.off(name, passOn);
    process.off("SIGCHLD", stopToo);
  }
}

/**
 * Runs `argv` in the terminal of this process, without a shell, and resolves with its exit status, or 128 and the number
 * of the signal that ended it. However it ends, the terminal is left as it was found. Throws E_UNSUPPORTED if the program
 * cannot be started.
 */
export async function runInTerminal(
  argv: readonly string[],
  env: Environment,
  write: (text: string) => void,
): Promise<number> {
  const [program = "", ...words] = argv;
  const saved = settings();
  try {
    const status = await ended(() =>
      childProcess.spawn(program, words, { stdio: "inherit", env: { ...env } }),
    );
    if (status !== 0) restore(saved, write);
    return status;
  } catch (thrown) {
    const why = thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
    const message =
      why === "ENOENT" ? `${program} is not installed here` : `${program} cannot be run: ${why}`;
    throw new AgtmuxError(ErrorCode.E_UNSUPPORTED, message, { program }, false, { cause: thrown });
  }
}
