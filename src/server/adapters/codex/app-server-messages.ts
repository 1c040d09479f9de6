import { field, stringField } from "../../payload.js";
import { originPort, threadMadeMs } from "./thread-map.js";

export type ThreadStatus =
  | "active"
  | "waiting_approval"
  | "waiting_input"
  | "idle"
  | "system_error"
  | "not_loaded";

/** How a thread's newest turn ended. `none`: there is no turn; `open`: it has not ended. */
export type TurnEnd = "completed" | "interrupted" | "failed" | "open" | "none";

export interface ThreadFacts {
  readonly id: string;
  readonly name: string;
  readonly status: ThreadStatus;
  /** A helper's thread (task titles, sub-agents) that no terminal shows. */
  readonly hidden: boolean;
  /** Milliseconds since the epoch: when it was made or its newest turn began. */
  readonly shownSince: number;
}

const MAX_NAME_CHARS = 200;
const THREAD_ID = /^[0-9A-Za-z-]{1,64}$/u;

export function threadId(value: unknown): string | undefined {
  return typeof value === "string" && THREAD_ID.test(value) ? value : undefined;
}

export function readName(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_NAME_CHARS) : "";
}

/** Undefined: a status that was not measured. */
export function readStatus(value: unknown): ThreadStatus | undefined {
  switch (stringField(value, "type")) {
    case "active": {
      const flags = field(value, "activeFlags");
      if (!Array.isArray(flags)) return undefined;
      if (flags.includes("waitingOnApproval")) return "waiting_approval";
      return flags.includes("waitingOnUserInput") ? "waiting_input" : "active";
    }
    case "idle":
      return "idle";
    case "systemError":
      return "system_error";
    case "notLoaded":
      return "not_loaded";
    default:
      return undefined;
  }
}

export function readThread(value: unknown): ThreadFacts | undefined {
  const id = threadId(field(value, "id"));
  const status = readStatus(field(value, "status"));
  if (id === undefined || status === undefined) return undefined;
  const source = stringField(value, "threadSource");
  const hidden =
    field(value, "ephemeral") === true ||
    (source !== "" && source !== "user") ||
    stringField(value, "parentThreadId") !== "";
  const recency = field(value, "recencyAt");
  // Until its first prompt a thread's own times are those of the reading.
  const prompted = stringField(value, "preview") !== "" && typeof recency === "number";
  const shownSince = Math.max(threadMadeMs(id), prompted ? recency * 1_000 : 0);
  return { id, name: readName(field(value, "name")), status, hidden, shownSince };
}

/** Ids of `thread/loaded/list`; undefined if it has another shape. */
export function readLoaded(result: unknown): string[] | undefined {
  const data = field(result, "data");
  if (!Array.isArray(data)) return undefined;
  return data.flatMap((entry) => threadId(entry) ?? []);
}

/** Port of the terminal that a thread is connected to, from `mcpServerStatus/list`. */
export function readTerminalPort(result: unknown): number | undefined {
  const data = field(result, "data");
  if (!Array.isArray(data)) return undefined;
  const terminal: unknown = data.find((entry) => stringField(entry, "name") === "codex_tui");
  return originPort(stringField(terminal, "httpOrigin"));
}

/** The newest turn of `thread/turns/list`, and when it ended in milliseconds since the epoch (0: unknown). */
export function readTurnEnd(result: unknown): { end: TurnEnd; endedAt: number } | undefined {
  const data = field(result, "data");
  if (!Array.isArray(data)) return undefined;
  const [turn]: unknown[] = data;
  if (turn === undefined) return { end: "none", endedAt: 0 };
  const completed = field(turn, "completedAt");
  const endedAt = typeof completed === "number" ? completed * 1_000 : 0;
  switch (stringField(turn, "status")) {
    case "completed":
      return { end: "completed", endedAt };
    case "interrupted":
      return { end: "interrupted", endedAt };
    case "failed":
      return { end: "failed", endedAt };
    case "inProgress":
      return { end: "open", endedAt };
    default:
      return undefined;
  }
}

/** Version in an app-server's `userAgent` (`codex-tui/0.169.0 (…`); undefined if there is none. */
export function readVersion(initialized: unknown): readonly [number, number, number] | undefined {
  const match = /\/(\d{1,6})\.(\d{1,6})\.(\d{1,6})/u.exec(stringField(initialized, "userAgent"));
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}
