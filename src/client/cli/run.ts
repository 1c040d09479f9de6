import { type AgtmuxError, toAgtmuxError, usageError } from "../errors.js";
import { EXIT, exitStatusOf } from "../exit-status.js";
import { createContext } from "./context.js";
import { CommandLineError } from "./declare.js";
import type { Io } from "./io.js";
import { printable, safeJson } from "./printable.js";
import { createProgram } from "./program.js";

/** What shells expect of a program that was interrupted: 128 and the signal's number. */
const INTERRUPTED = 130;

/** `agtmux list panes`, from the root down. */
function fullName(command: CommandLineError["command"]): string {
  const names: string[] = [];
  for (let each: typeof command | null = command; each !== null; each = each.parent)
    names.unshift(each.name());
  return names.join(" ");
}

/** The error for a refused command line: what is wrong, and the right form. */
function usageErrorFrom({ reason, command }: CommandLineError): AgtmuxError {
  const name = fullName(command);
  const subcommands = command.commands.map((each) => each.name());
  if (reason.code === "commander.help" && subcommands.length > 0) {
    return usageError("command", `say what: ${name} ${subcommands.join("|")}`);
  }
  const wrong = reason.message
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ")
    .trim();
  const form = subcommands.length > 0 ? subcommands.join("|") : command.usage();
  return usageError("command", `${wrong}; usage: ${name} ${form}`);
}

/** The error as one line for a person, or as one object for a program. */
function errorText(error: AgtmuxError, asJson: boolean): string {
  const message = printable(error.message);
  if (!asJson) return `agtmux: ${message} (${error.codeName})\n`;
  const { codeName: code, details, retryable } = error;
  return `${safeJson({ schema_version: 1, error: { code, message, details, retryable } })}\n`;
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end < 0 ? argv : argv.slice(0, end)).includes("--json");
}

/**
 * Runs one command line (without the program's own name) and resolves with its exit status; see docs/spec.md
 * 8.3. Never rejects: every failure is told on stderr.
 */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  let status: number = EXIT.ok;
  const endWith = (told: number): void => {
    status = told;
  };
  try {
    const program = createProgram(io, ({ start }) => createContext(io, { start, endWith }), argv[0]);
    if (argv.length === 0) {
      program.outputHelp();
      return EXIT.ok;
    }
    await program.parseAsync([...argv], { from: "user" });
    return status;
  } catch (thrown) {
    if (thrown instanceof CommandLineError && thrown.reason.exitCode === 0) return EXIT.ok;
    if (io.signal.aborted) return INTERRUPTED;
    const error = thrown instanceof CommandLineError ? usageErrorFrom(thrown) : toAgtmuxError(thrown);
    io.stderr.write(errorText(error, wantsJson(argv)));
    return exitStatusOf(error.code);
  }
}
