import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SignalSource } from "../../src/client/index.js";

const FIXTURES = join(import.meta.dirname, "..", "fixtures");

/** What an agent's hook or notify program was given. */
export interface Recorded {
  readonly agentType: string;
  readonly source: SignalSource;
  readonly eventType: string;
  readonly payload: unknown;
}

/** One file for each payload, `<event>.<anything>.json`; those with an underscore in front say something else. */
function composed(agentType: string, ...folder: string[]): Recorded[] {
  const path = join(FIXTURES, ...folder);
  return readdirSync(path)
    .filter((name) => name.endsWith(".json") && !name.startsWith("_"))
    .map((name) => {
      const eventType = name.split(".")[0] ?? "";
      const payload: unknown = JSON.parse(readFileSync(join(path, name), "utf8"));
      return recorded(agentType, eventType === "notify" ? "notify" : "hook", eventType, payload);
    });
}

/** One line for each payload: `{event, source?, payload}`. */
function lines(agentType: string, ...file: string[]): Recorded[] {
  const text = readFileSync(join(FIXTURES, ...file), "utf8").trim();
  return text.split("\n").map((line) => {
    // The fixtures' own shape.
    const { event, source, payload } = JSON.parse(line) as {
      event: string;
      source?: string;
      payload: unknown;
    };
    return recorded(agentType, source ?? "hook", event, payload);
  });
}

function recorded(agentType: string, source: string, eventType: string, payload: unknown): Recorded {
  const by = source === "notify" ? SignalSource.NOTIFY : SignalSource.HOOK;
  return { agentType, source: by, eventType, payload };
}

/** Every payload that there is of any agent. */
export function recordedPayloads(): Recorded[] {
  const claude = readdirSync(join(FIXTURES, "claude", "hooks")).filter((name) => name.endsWith(".jsonl"));
  return [
    ...composed("claude", "composed-claude", "hooks"),
    ...claude.flatMap((name) => lines("claude", "claude", "hooks", name)),
    ...composed("codex", "codex", "hooks"),
    ...lines("codex", "codex", "hooks-daemon.jsonl"),
    ...lines("codex", "codex", "hooks-no-daemon.jsonl"),
  ];
}
