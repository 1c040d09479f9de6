// Tells whenever an agent begins to wait for you: prints a line, or runs the command that is given, with the line as its
// last argument. Goes on when the daemon is restarted.
//
//     node notify.ts
//     node notify.ts notify-send --app-name agtmux
import { spawn } from "node:child_process";
import { AgentState, AgtmuxError, connect, type Pane } from "@agtmux/client";

const [command, ...words] = process.argv.slice(2);

function tell(line: string): void {
  if (command === undefined) {
    process.stdout.write(`${line}\n`);
    return;
  }
  const child = spawn(command, [...words, line], { stdio: ["ignore", "inherit", "inherit"] });
  child.once("error", (error) => process.stderr.write(`${error.message}\n`));
}

const WAITING = [AgentState.WAITING_APPROVAL, AgentState.WAITING_INPUT];

/** The agents that waited when they were last heard of, by runtime id: it stays when a pane is moved or renamed. */
const waiting = new Set<string>();

function hear({ ref, agent }: Pane): void {
  if (agent === undefined) return;
  if (!WAITING.includes(agent.state)) waiting.delete(agent.runtimeId);
  else if (!waiting.has(agent.runtimeId)) {
    waiting.add(agent.runtimeId);
    tell(`${AgentState[agent.state]} ${agent.agentType} ${ref} ${agent.reasonCode}`);
  }
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort());

try {
  for await (const event of connect().watch({}, { signal: stop.signal })) {
    if (event.kind === "disconnected") {
      process.stderr.write(`${event.error.message}, again in ${event.retryInMs} ms\n`);
      continue;
    }
    // A snapshot has items, a delta has changes. Of what is gone there is nothing to tell.
    const { items, changes } = event.message;
    for (const { item } of [...items, ...changes.flatMap((change) => change.item ?? [])])
      if (item.case === "pane") hear(item.value);
  }
} catch (error) {
  process.stderr.write(`${error instanceof AgtmuxError ? error.message : error}\n`);
  process.exitCode = 1;
}
