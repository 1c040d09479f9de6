import { expect, it } from "vitest";
import { judge, type Round } from "./support/judge.js";
import type { Note } from "./support/victims.js";

const AGENT = { pid: 10, start: "1", pane: "%0", role: "agent" } as const;
const SHELL = { pid: 9, start: "1", pane: "%0", role: "shell" } as const;
const OTHER = { pid: 20, start: "1", pane: "%1", role: "agent" } as const;
const DONE = 1_000_000;

const bytes = (who: typeof AGENT | typeof SHELL | typeof OTHER, text: string, t: number): Note => ({
  ...who,
  event: "bytes",
  t,
  hex: Buffer.from(text).toString("hex"),
});
const exit = (t: number): Note => ({ ...AGENT, event: "exit", t });

/** A text that was sent and came to its agent, but for what is said otherwise. */
function round(more: Partial<Round> = {}): Round {
  return {
    deed: "text",
    text: "R1",
    meant: AGENT,
    masked: false,
    dialog: 0,
    result: "ok",
    message: "",
    effect: undefined,
    doneAt: DONE,
    endedAt: DONE + 1_000,
    struckAt: undefined,
    notes: [bytes(AGENT, "R1", DONE - 3_000)],
    echoes: [],
    ...more,
  };
}

const unread = { notes: [] as Note[], echoes: ["$ R1: not found"] };

it.each<[string, Partial<Round>, string[]]>([
  ["the agent got the text", {}, []],
  ["ok, and it got less", { notes: [bytes(AGENT, "R", DONE)] }, ["ok, and the agent got"]],
  ["ok, and it got nothing", { notes: [] }, ["ok, and the agent got"]],
  ["refused, and it got something", { result: "refused" }, ["refused, and the agent got"]],
  ["another agent got it", { notes: [bytes(OTHER, "R1", DONE)] }, ["reached agent 20-1", "ok, and"]],
  ["stopped right after the last look, unread", { ...unread, struckAt: DONE + 5_000 }, []],
  ["stopped long after", { ...unread, struckAt: DONE + 50_000 }, ["shows it", "ok, and"]],
  ["stopped well before the last look", { ...unread, struckAt: DONE - 25_000 }, ["shows it", "ok, and"]],
  ["unknown, stopped around the keys", { ...unread, result: "result_unknown", struckAt: DONE - 25_000 }, []],
  [
    "unknown, stopped long before the keys",
    { ...unread, result: "result_unknown", struckAt: DONE - 90_000 },
    ["shows it"],
  ],
  ["refused, and a shell shows it", { ...unread, result: "refused", struckAt: DONE }, ["shows it"]],
  [
    "ended right after the last look, and its shell got it",
    { notes: [exit(DONE), bytes(SHELL, "R1", DONE + 100)] },
    [],
  ],
  [
    "ended before the last look, and its shell got it",
    { notes: [exit(DONE - 30_000), bytes(SHELL, "R1", DONE - 29_000)] },
    ["reached shell 9-1", "ok, and"],
  ],
  [
    "its shell got it long after its end",
    { notes: [exit(DONE), bytes(SHELL, "R1", DONE + 20_000)] },
    ["reached shell 9-1"],
  ],
  [
    "unknown, ended as the keys went, and its shell got them",
    { result: "result_unknown", notes: [exit(DONE - 8_000), bytes(SHELL, "R1", DONE - 7_000)] },
    [],
  ],
])("the adversary's judge: %s", (_, more, broken) => {
  expect(judge(round(more)).broken).toEqual(broken.map((text) => expect.stringContaining(text)));
});
