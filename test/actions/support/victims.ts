import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { parseStat } from "../../../src/server/targets/process-stat.js";
import { until } from "../../tmux/private-server.js";

/** What a victim wrote down; see victim.py. */
export interface Note {
  /** Microseconds of the monotonic clock. */
  readonly t: number;
  readonly pid: number;
  readonly start: string;
  readonly role: "agent" | "shell" | "plain";
  readonly pane: string;
  readonly event: "start" | "bytes" | "exit" | "reaped" | "pong" | "dialog" | "answered" | "submitted";
  readonly hex?: string;
  readonly number?: number;
  readonly child?: number;
  readonly opened?: number;
  readonly key?: string;
  readonly draft?: string;
}

/** Now, as the victims' notes count time. */
export const micros = (): number => Number(process.hrtime.bigint() / 1_000n);

/** Longest wait for a victim: other tests may have the machine. */
export const PATIENCE_MS = 30_000;

const PROGRAM = join(import.meta.dirname, "victim.py");
/** Without the user's packages: it starts in a fraction of the time. */
const PYTHON = ["-I", "-S"];

/** The victims of one folder, and what they have written down. */
export class Victims {
  readonly notes: Note[] = [];
  /** Notes of starts, of those that may run yet. */
  #started: Note[] = [];
  #offset = 0;
  #rest = "";
  #pings = 0;

  constructor(readonly home: string) {
    mkdirSync(join(home, "bin"), { recursive: true });
    symlinkSync("/usr/bin/python3", join(home, "bin", "claude"));
  }

  /** The command line of a victim, for a shell. A masked agent shows in small letters what it was given. */
  command(role: Note["role"], masked = false): string {
    const file = role === "agent" ? join(this.home, "bin", "claude") : "/usr/bin/python3";
    return [file, ...PYTHON, PROGRAM, role, this.home, ...(masked ? ["masked"] : [])].join(" ");
  }

  /** Reads what was written since, and returns all. */
  read(): readonly Note[] {
    const path = join(this.home, "log");
    if (!existsSync(path)) return this.notes;
    const file = openSync(path, "r");
    const buffer = Buffer.alloc(1024 * 1024);
    const size = readSync(file, buffer, 0, buffer.length, this.#offset);
    closeSync(file);
    this.#offset += size;
    const lines = (this.#rest + buffer.toString("latin1", 0, size)).split("\n");
    this.#rest = lines.pop() ?? "";
    // Victims write nothing else.
    const fresh = lines.map((line) => JSON.parse(line) as Note);
    this.notes.push(...fresh);
    this.#started.push(...fresh.filter(({ event }) => event === "start"));
    return this.notes;
  }

  /** Those that run, in the order in which they started. */
  alive(): readonly Note[] {
    this.read();
    this.#started = this.#started.filter(({ pid, start }) => isAlive(pid, start));
    return [...this.#started];
  }

  /** The victim of that role that runs in a pane; the last one that started. */
  in(pane: string, role: Note["role"]): Note | undefined {
    return this.alive().findLast((note) => note.pane === pane && note.role === role);
  }

  /** Orders a victim to do something; one that is gone does nothing. */
  tell({ pid }: Pick<Note, "pid">, order: string): void {
    let file: number;
    try {
      file = openSync(join(this.home, `ctl.${pid}`), constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (error instanceof Error && "code" in error && ["ENXIO", "ENOENT"].includes(String(error.code)))
        return;
      throw error;
    }
    try {
      writeSync(file, `${order}\n`);
    } catch (error) {
      // It ended between the opening and the writing.
      if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Resolves when every victim that runs has read all that its terminal has. None may be stopped. */
  async settle(): Promise<void> {
    const number = ++this.#pings;
    const asked = this.alive();
    const from = this.notes.length;
    for (const victim of asked) this.tell(victim, `ping ${number}`);
    const silent = (): readonly Note[] => {
      const answers = this.read().slice(from);
      const answered = new Set(
        answers.filter(({ event, number: n }) => event === "pong" && n === number).map(({ pid }) => pid),
      );
      return asked.filter(({ pid, start }) => !answered.has(pid) && isAlive(pid, start));
    };
    await until("all victims to answer", () => silent().length === 0, PATIENCE_MS).catch((error: unknown) => {
      const facts = silent().map(
        ({ pid, role, pane }) => `${role} ${pid} in ${pane} (${statOf(pid)?.state})`,
      );
      throw new Error(`no answer to ping ${number} from ${facts.join("; ")}`, { cause: error });
    });
  }
}

/** Whether that very process runs; a zombie does not. */
export function isAlive(pid: number, start: string): boolean {
  const stat = statOf(pid);
  return stat?.startRaw === start && !/[ZX]/u.test(stat.state);
}

/** Whether a victim is in the foreground of its terminal. */
export function isInFront({ pid }: Pick<Note, "pid">): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.pgid === stat.tpgid;
}

function statOf(pid: number) {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined; // gone
  }
}
