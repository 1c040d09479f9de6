import type { Command } from "commander";
import { type ContextMaker, collect, declare } from "./declare.js";

const others = () => import("./other-commands.js");

/** A command that acts on one pane, with what all of them may be told. */
function declareAction(program: Command, nameAndArguments: string, description: string): Command {
  return declare(program, nameAndArguments, description)
    .option("--expect <json>", "what was looked at: a listed item or its observation; - reads it from stdin")
    .option("--if-runtime <id>", "only if this agent is there")
    .option("--if-state <state>", "only in this state (repeatable)", collect)
    .option("--if-updated-within <duration>", "only if the state changed within this time, e.g. 30s")
    .option("--force-stale", "however old the look is, and whatever the state has become since")
    .option("--request-ref <ref>", "name of this request: what has the same one is done once")
    .option("--json", "print JSON");
}

function declareAnswers(program: Command, contextOf: ContextMaker): void {
  const withAnswerOptions = (command: Command) =>
    command
      .option("--prompt-id <id>", "the dialog that was read")
      .option("--yes", "do not ask: whatever dialog is open now")
      .option("--force-truncated", "even a dialog that does not fit its pane");
  withAnswerOptions(
    declareAction(program, "approve <ref>", "Answer the open dialog with its yes for this once"),
  ).action(async (ref, options) => (await others()).approve(contextOf(true), ref, options));
  withAnswerOptions(declareAction(program, "deny <ref>", "Answer the open dialog with its plain no")).action(
    async (ref, options) => (await others()).deny(contextOf(true), ref, options),
  );
}

/** The commands that act on a pane, and `actions`, which tells what was done. */
export function declareActions(program: Command, contextOf: ContextMaker): void {
  declareAction(program, "attach <ref>", "Show a pane in this terminal")
    .option("--print", "print the command that would, instead of executing it")
    .action(async (ref, options) => (await others()).attach(contextOf(true), ref, options));
  declareAction(program, "send <ref> [text]", "Send text or a key to an agent")
    .option("--text <text>", "the text, where it begins with a dash")
    .option("--stdin", "send what stands on standard input")
    .option("--key <name>", "send a key by tmux's name: Enter, Escape, Up, C-u, …")
    .option("--enter", "submit it with Enter")
    .option("--paste", "as pasted text")
    .option("--over-draft", "even if the input box holds a draft")
    .action(async (ref, text, options) => (await others()).send(contextOf(true), ref, text, options));
  declareAnswers(program, contextOf);
  declareAction(program, "interrupt <ref>", "Stop an agent's turn and keep its program").action(
    async (ref, options) => (await others()).interrupt(contextOf(true), ref, options),
  );
  declareAction(program, "view-output <ref>", "Print the last lines of a pane")
    .option("--lines <n>", "at most this many, 1 to 10000 (200)")
    .option("--colors", "keep colours")
    .action(async (ref, options) => (await others()).viewOutput(contextOf(true), ref, options));
  declareAction(program, "kill <ref>", "End an agent")
    .option("--signal <signal>", "INT, TERM or KILL (INT)")
    .option("--mode <mode>", "key: INT as C-c; signal: to the process (key for INT)")
    .option("--yes", "do not ask")
    .action(async (ref, options) => (await others()).kill(contextOf(true), ref, options));
  declare(program, "actions", "List what was done to panes, newest first")
    .option("--runtime <id>", "only to this agent")
    .option("--pane <ref>", "only to this pane")
    .option("--since <duration>", "only within this time, e.g. 1h")
    .option("--limit <n>", "at most this many, 1 to 1000 (100)")
    .option("--id <id>", "this one action")
    .option("--json", "print JSON")
    .action(async (options) => (await others()).actions(contextOf(true), options));
}
