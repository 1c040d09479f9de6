import type { Note } from "./victims.js";

export type Deed = "text" | "paste" | "enter" | "key" | "approve" | "interrupt" | "kill";

/** What one action was told, and what was written down meanwhile. */
export interface Round {
  readonly deed: Deed;
  /** The text, unique to the round; '' for keys. */
  readonly text: string;
  /** The process that the look showed. */
  readonly meant: Pick<Note, "pid" | "start" | "pane">;
  /** The agent does not show what it was given as it was given. */
  readonly masked: boolean;
  /** The dialog that the look showed. */
  readonly dialog: number;
  readonly result: "ok" | "refused" | "result_unknown" | "failed";
  readonly message: string;
  readonly effect: "yes" | "no" | "unknown" | undefined;
  /** Of the monotonic clock, in microseconds: when the daemon had the result; undefined if it refused. */
  readonly doneAt: number | undefined;
  /** And when the answer came. */
  readonly endedAt: number;
  /** And when the test itself stopped or killed the agent, if it did. */
  readonly struckAt: number | undefined;
  readonly notes: readonly Note[];
  readonly echoes: readonly string[];
}

export interface Verdict {
  /** Broken promises; none is as it must be. */
  readonly broken: readonly string[];
  /** The agent died or was stopped within the milliseconds of the keys, and its shell got them. */
  readonly late: boolean;
  /** What had arrived was never read, because the agent died or was stopped just then. */
  readonly unread: boolean;
  /** The agent opened a dialog within the milliseconds of the keys. */
  readonly surprised: boolean;
}

/** What cannot be told apart from the moment of the keys, in microseconds. */
const MOMENT = 10_000;
/** The last look at the process is this long before the result at most, as far as two clocks can tell, in microseconds. */
const LAST_LOOK = 20_000;
/** And the one before the keys this long, a call of tmux earlier. */
const LOOK_BEFORE = 60_000;
/** What is sent in one step, with no wait for what comes of it. */
const ONE_STEP: ReadonlySet<Deed> = new Set(["text", "paste", "key"]);

const KEYS: Readonly<Record<Deed, string>> = {
  text: "",
  paste: "",
  enter: "\r",
  key: "\t",
  approve: "1",
  interrupt: "\u001b",
  kill: "\u0003",
};

const nameOf = ({ pid, start }: Pick<Note, "pid" | "start">): string => `${pid}-${start}`;

/** Holds a round to the promises. Pure. */
export function judge(round: Round): Verdict {
  const { deed, text, meant, result, effect, notes } = round;
  const broken: string[] = [];
  let late = false;
  const got = new Map<string, { note: Note; bytes: string }>();
  for (const note of notes.filter(({ event }) => event === "bytes")) {
    const bytes = Buffer.from(note.hex ?? "", "hex").toString("utf8");
    const before = got.get(nameOf(note));
    got.set(nameOf(note), { note: before?.note ?? note, bytes: (before?.bytes ?? "") + bytes });
  }
  const mine = sentTo(got.get(nameOf(meant))?.bytes ?? "");
  const whole = text + KEYS[deed];
  const ended = endOf(round) ?? round.struckAt;
  const unread = result === "ok" && mine !== whole && whole.startsWith(mine) && justThen(round, LAST_LOOK);
  for (const [name, { note, bytes }] of got) {
    const stray = sentTo(bytes);
    if (name === nameOf(meant) || stray === "") continue;
    const own = note.role === "shell" && note.pane === meant.pane;
    const after = ended === undefined ? -1 : note.t - ended;
    if (own && (result === "result_unknown" || unread) && after >= 0 && after <= MOMENT) late = true;
    else
      broken.push(
        `${JSON.stringify(stray)} reached ${note.role} ${name} in ${note.pane}, ${after} µs after the end`,
      );
  }
  // A real shell notes nothing: it shows what it got, once it is given a line.
  if (round.echoes.length > 0 && (unread || (result === "result_unknown" && justThen(round, LOOK_BEFORE))))
    late = true;
  else broken.push(...round.echoes.map((line) => `a terminal or a shell shows it: ${line}`));
  if (result === "ok" && !unread) {
    const right = deed === "enter" ? [text, ...(refusedEnter(round) ? [] : [whole])] : [whole];
    if (!right.includes(mine)) broken.push(`ok, and the agent got ${JSON.stringify(mine)}`);
    if (effect === "yes" && deed === "enter" && mine !== whole)
      broken.push(`submitted, and the agent got ${JSON.stringify(mine)}`);
  }
  if ((result === "refused" || result === "failed") && mine !== "")
    broken.push(`${result}, and the agent got ${JSON.stringify(mine)}`);
  if (result === "result_unknown" && !whole.startsWith(mine))
    broken.push(`unknown, and the agent got ${JSON.stringify(mine)}`);
  const { wrong, surprised } = dialogs(round);
  return { broken: [...broken, ...wrong, ...drafts(round)], late, unread, surprised };
}

/** When the agent's end was noted; undefined if it was not. */
function endOf({ notes, meant }: Round): number | undefined {
  return notes.find(
    ({ event, pid, child }) =>
      (event === "exit" && pid === meant.pid) || (event === "reaped" && child === meant.pid),
  )?.t;
}

/** The agent ceased to read after the look that came `look` microseconds before the result, and before the next could show it. */
function justThen(round: Round, look: number): boolean {
  const { deed, doneAt, endedAt } = round;
  const away = round.struckAt ?? endOf(round);
  if (away === undefined || doneAt === undefined || away > endedAt + MOMENT) return false;
  // What is waited for afterwards takes its time.
  return !ONE_STEP.has(deed) || away >= doneAt - look;
}

/** Enter was held back: the text alone is what was sent. */
function refusedEnter({ effect, message }: Round): boolean {
  return effect === "no" && /not submitted/u.test(message);
}

/** What of a stream is neither the user's draft nor the marks of a paste. */
function sentTo(bytes: string): string {
  return bytes.replaceAll("\u001b[200~", "").replaceAll("\u001b[201~", "").replaceAll("z", "");
}

/** Nothing that the user has typed may be submitted, unless it was typed in the moment of the Enter. */
function drafts({ masked, meant, notes }: Round): string[] {
  const mine = notes.filter(({ pid }) => pid === meant.pid);
  const [submitted] = mine.filter(({ event, draft }) => event === "submitted" && draft?.includes("z"));
  const typed = mine.find(
    ({ event, hex }) => event === "bytes" && Buffer.from(hex ?? "", "hex").includes("z"),
  );
  if (masked || submitted === undefined || typed === undefined) return [];
  const before = submitted.t - typed.t;
  return before <= MOMENT
    ? []
    : [`${JSON.stringify(submitted.draft)} was submitted, ${before} µs after the user's part`];
}

/** Nothing may answer a dialog but an answer that was meant for it. */
function dialogs({ deed, dialog, meant, notes }: Round): { wrong: string[]; surprised: boolean } {
  const wrong: string[] = [];
  let surprised = false;
  for (const note of notes.filter(({ event, pid }) => event === "answered" && pid === meant.pid)) {
    if (deed === "approve" && note.number === dialog) continue;
    const age = note.t - (note.opened ?? 0);
    if (age <= MOMENT) surprised = true;
    else
      wrong.push(
        `dialog ${note.number} was answered with ${JSON.stringify(note.key)}, ${age} µs after it opened`,
      );
  }
  return { wrong, surprised };
}
