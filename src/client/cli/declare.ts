import type { Command, CommanderError } from "commander";
import type { Context } from "./context.js";

/** A command line that commander refuses, with the command it was meant for. */
export class CommandLineError extends Error {
  override readonly name = "CommandLineError";

  constructor(
    readonly reason: CommanderError,
    readonly command: Command,
  ) {
    super(reason.message);
  }
}

/** Makes a context; `start` false for commands that must not start a daemon by themselves. */
export type ContextMaker = (start: boolean) => Context;

/** Collects an option that may be given several times, or once with commas between. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), ...value.split(",").filter((word) => word !== "")];
}

/** Declares a command under `parent` whose every bad usage is thrown as CommandLineError. */
export function declare(parent: Command, nameAndArguments: string, description: string): Command {
  const command = parent.command(nameAndArguments).description(description);
  return command.exitOverride((reason) => {
    throw new CommandLineError(reason, command);
  });
}
