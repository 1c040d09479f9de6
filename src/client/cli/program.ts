import { Command } from "commander";
import { VERSION } from "../version.js";
import { declareActions } from "./action-commands.js";
import type { Context } from "./context.js";
import { CommandLineError, type ContextMaker, collect, declare } from "./declare.js";
import type { Io } from "./io.js";
import { listPanes, listSessions, listWindows } from "./list.js";

const others = () => import("./other-commands.js");

function withFilters(command: Command): Command {
  return command
    .option("--target <name>", "only this target (repeatable)", collect)
    .option("--target-session <target/session>", "only this session of this target (repeatable)", collect)
    .option("--session <name>", "only sessions of this name (repeatable)", collect)
    .option("--state <state>", "only this state (repeatable): running, waiting_approval, …", collect)
    .option("--agent <type>", "only this agent (repeatable): claude, codex, …", collect)
    .option("--needs-action", "only what needs you: waiting_approval, waiting_input, error")
    .option("--all", "also what runs no agent");
}

function withListOptions(command: Command): Command {
  return withFilters(command)
    .option("--sort <key>", "identity, state, since, updated_at or agent; KEY:desc turns it round")
    .option("--json", "print JSON");
}

function declareList(program: Command, contextOf: ContextMaker): void {
  const list = declare(program, "list", "List panes, windows or sessions and what their agents do");
  withListOptions(declare(list, "panes", "List panes that run an agent"))
    .option("--ended <duration>", "also agents that ended within this time, e.g. 1h")
    .action((options) => listPanes(contextOf(true), options));
  withListOptions(declare(list, "windows", "List windows with their counts")).action((options) =>
    listWindows(contextOf(true), options),
  );
  withListOptions(declare(list, "sessions", "List sessions with their counts"))
    .option("--group-by <key>", "target-session, or session-name to merge sessions of one name")
    .action((options) => listSessions(contextOf(true), options));
}

function declareReads(program: Command, contextOf: ContextMaker): void {
  withFilters(declare(program, "watch", "Show the list live"))
    .option("--scope <scope>", "panes, windows or sessions", "panes")
    .option("--format <format>", "table or jsonl", "table")
    .option("--cursor <cursor>", "continue after this cursor (jsonl)")
    .option("--once", "stop after the first picture")
    .option("--interval <duration>", "repaint at most this often; 2s at most", "100ms")
    .action(async (options) => (await others()).watch(contextOf(true), options));
  declare(program, "explain <ref>", "Tell why a pane has the state it has")
    .option("--json", "print JSON")
    .action(async (ref, options) => (await others()).explain(contextOf(true), ref, options));
  declare(program, "events", "List the signals that states rest on, newest first")
    .option("--runtime <id>", "only of this runtime")
    .option("--pane <ref>", "only of this pane")
    .option("--action <id>", "only those that this action caused")
    .option("--limit <n>", "at most this many, 1 to 1000 (100)")
    .option("--json", "print JSON")
    .action(async (options) => (await others()).events(contextOf(true), options));
}

function declareHooks(program: Command, contextOf: ContextMaker): void {
  const hooks = declare(program, "hooks", "Install, remove or inspect the agents' hooks");
  const withHookOptions = (command: Command) =>
    command
      .option("--agent <type>", "only this agent (repeatable)", collect)
      .option("--target <name>", "on this target", "host")
      .option("--json", "print JSON");
  withHookOptions(declare(hooks, "install", "Make the agents report to the daemon"))
    .option("--dry-run", "only tell what would be done")
    .action(async (options) => (await others()).installHooks(contextOf(true), options));
  withHookOptions(declare(hooks, "uninstall", "Take the hooks out again"))
    .option("--dry-run", "only tell what would be done")
    .action(async (options) => (await others()).uninstallHooks(contextOf(true), options));
  withHookOptions(declare(hooks, "status", "Tell what is installed")).action(async (options) =>
    (await others()).hookStatus(contextOf(true), options),
  );
}

function declareTargets(program: Command, contextOf: ContextMaker): void {
  const target = declare(program, "target", "Add, connect, list or remove tmux servers to watch");
  declare(target, "add <name>", "Store a target and connect to it")
    .option("--kind <kind>", "local or ssh")
    .option("--ssh-target <host>", "host alias of your ssh configuration; the name by default")
    .option("--tmux-socket <socket>", "another tmux socket, by name or path")
    .option("--accept-new-host-key", "trust the key of a host that is not known yet, unseen")
    .option("--json", "print JSON")
    .action(async (name, options) => (await others()).addTarget(contextOf(true), name, options));
  declare(target, "connect <name>", "Try to connect now")
    .option("--json", "print JSON")
    .action(async (name, options) => (await others()).connectTarget(contextOf(true), name, options));
  declare(target, "list", "List all targets")
    .option("--json", "print JSON")
    .action(async (options) => (await others()).listTargets(contextOf(true), options));
  declare(target, "remove <name>", "Forget a target; its history stays")
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    .action(async (name, options) => (await others()).removeTarget(contextOf(true), name, options));
}

function declareDaemon(program: Command, contextOf: ContextMaker): void {
  const daemon = declare(program, "daemon", "Start, stop, restart or inspect the daemon");
  const json = (command: Command) => command.option("--json", "print JSON");
  json(declare(daemon, "start", "Start the daemon if none runs")).action(async (options) =>
    (await others()).startCommand(contextOf(false), options),
  );
  json(declare(daemon, "stop", "Stop the daemon")).action(async (options) =>
    (await others()).stopCommand(contextOf(false), options),
  );
  json(declare(daemon, "restart", "Stop the daemon and start this version")).action(async (options) =>
    (await others()).restartCommand(contextOf(false), options),
  );
  json(declare(daemon, "status", "Tell how the daemon fares")).action(async (options) =>
    (await others()).statusCommand(contextOf(false), options),
  );
}

function declareConfig(program: Command, contextOf: ContextMaker): void {
  const config = declare(program, "config", "Show the configuration");
  declare(config, "show", "Show every setting in force")
    .option("--json", "print JSON")
    .action(async (options) => (await others()).showConfig(contextOf(true), options));
}

/**
 * The whole command line. Commands are declared here and loaded when they run. Parsing throws CommandLineError
 * for help, version and every bad usage; nothing exits by itself. `first` is the first word of the command line.
 */
export function createProgram(
  io: Io,
  makeContext: (options: { start: boolean }) => Context,
  first: string | undefined,
): Command {
  const program = new Command("agtmux");
  program
    .description("Knows what every coding agent in every tmux pane is doing.")
    .version(VERSION)
    .option("--no-start", "do not start the daemon when none runs")
    .showSuggestionAfterError()
    .exitOverride((reason) => {
      throw new CommandLineError(reason, program);
    })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // Bad usage is told in one line by whoever catches the error.
      writeErr: () => undefined,
      getOutHelpWidth: () => (io.stdout.isTerminal ? io.stdout.size().columns : 80),
    });
  const contextOf: ContextMaker = (start) =>
    makeContext({ start: start && program.opts()["start"] !== false });
  declareList(program, contextOf);
  // Declaring all commands takes longer than reading the panes, so the budgeted command does without the rest.
  if (first === "list") return program;
  declareReads(program, contextOf);
  declareActions(program, contextOf);
  declareHooks(program, contextOf);
  declareTargets(program, contextOf);
  declareDaemon(program, contextOf);
  declareConfig(program, contextOf);
  return program;
}
