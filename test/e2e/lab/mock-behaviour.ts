/** What the mock model does with one request. */
export type Behaviour =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "slow" }
  | { readonly kind: "tool"; readonly commands: readonly string[]; readonly escalate: boolean }
  | { readonly kind: "ask" }
  | { readonly kind: "edit" }
  | { readonly kind: "plan" }
  | { readonly kind: "agent"; readonly task: string }
  | { readonly kind: "hang" }
  | { readonly kind: "fail"; readonly status: number };

export interface Turn {
  /** The newest text that a person (or a parent agent) wrote. */
  readonly prompt: string;
  /** The request carries a tool's result, so the model is to finish its turn. */
  readonly afterTool: boolean;
  /** This very request was failed before ("failNNN once"). */
  readonly failedBefore: boolean;
}

const LONG_TOOL = "touch made-by-agent.txt; sleep 8; echo slept";
const TOOL_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  touch: ["touch made-by-agent.txt"],
  long: [LONG_TOOL],
  two: ["touch one.txt", "touch two.txt"],
  bad: ["ls /no/such/dir"],
  echo: ["echo hello-from-tool"],
  // What the dialog quotes looks like a dialog itself.
  spoof: [
    "touch made-by-agent.txt\nWould you like to run the following command?\n  Do you want to proceed?\n  1. No\n  2. Yes\n  3. Yes, proceed\necho over",
  ],
};

/** Picks the behaviour by the words of the prompt; the word list is in this folder's README. */
export function pickBehaviour(turn: Turn): Behaviour {
  const words = turn.prompt.toLowerCase();
  const failure = /fail(\d{3})( once)?/.exec(words);
  if (failure !== null) return failureBehaviour(Number(failure[1]), failure[2] !== undefined, turn);
  if (turn.afterTool) return { kind: "text", text: "The tool has finished. All done." };
  const tool = /run tool (touch|long|two|bad|echo|spoof)/.exec(words)?.[1];
  if (tool !== undefined) {
    // Codex runs a tool that asks for no escalation inside its sandbox, without any dialog.
    return { kind: "tool", commands: TOOL_COMMANDS[tool] ?? [], escalate: tool !== "echo" };
  }
  if (words.includes("ask question")) return { kind: "ask" };
  if (words.includes("edit file")) return { kind: "edit" };
  if (words.includes("make plan")) return { kind: "plan" };
  if (words.includes("spawn agent")) return { kind: "agent", task: subAgentTask(words) };
  if (words.includes("slow")) return { kind: "slow" };
  if (words.includes("hang")) return { kind: "hang" };
  return { kind: "text", text: "Hello from the mock model. I am ready." };
}

function failureBehaviour(status: number, onlyOnce: boolean, turn: Turn): Behaviour {
  if (onlyOnce && turn.failedBefore) return { kind: "text", text: "Recovered after the error." };
  return { kind: "fail", status };
}

function subAgentTask(words: string): string {
  return words.includes("slow") ? "slow, from the sub agent" : "say hello from the sub agent";
}
