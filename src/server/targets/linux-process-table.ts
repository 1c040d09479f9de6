import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import type { PaneProcesses, Process } from "../adapters/contract.js";
import { cleanText } from "../tmux/text.js";
import { type ProcessStat, parseStat, processesOfPanes } from "./process-stat.js";
import type { ProcessTable } from "./process-table.js";

const MAX_ARGV_WORDS = 64;
const MAX_ARGV_CHARS = 4_096;
/** After this time argv and executable are read again even if nothing says that they changed. */
const COMMAND_KEPT_MS = 10_000;
/** Most stat files kept open between two looks. */
const MAX_KEPT_FILES = 512;
const NS_PER_MS = 1_000_000n;
/** A clock tick of /proc in nanoseconds; USER_HZ is 100 on every platform Node runs on. */
const NS_PER_TICK = 10_000_000n;

interface Command {
  readonly argv: readonly string[];
  readonly exe: string;
  /** Pid, start, image and name: an exec changes the image, setproctitle the name. */
  readonly key: string;
  readonly readAt: number;
}

/** Reads /proc. `root` stands for /proc, `now` for Date.now, in tests. */
export function createLinuxProcessTable(options: { root?: string; now?: () => number } = {}): ProcessTable {
  const root = options.root ?? "/proc";
  const now = options.now ?? Date.now;
  const boot = readFileSync(`${root}/sys/kernel/random/boot_id`, "utf8").trim();
  // Once per daemon life, so that a stepped clock does not give one process two start times.
  const uptimeMs = Number(readFileSync(`${root}/uptime`, "utf8").split(" ", 1)[0]) * 1_000;
  const bootedAtNs = BigInt(Math.round(now() - uptimeMs)) * NS_PER_MS;
  const buffer = Buffer.alloc(8_192);
  const commands = new Map<number, Command>();
  /** Open stat files by pid. */
  const kept = new Map<number, number>();
  let scannedAt = 0;

  const readOpen = (file: number): string =>
    buffer.toString("utf8", 0, readSync(file, buffer, 0, buffer.length, 0));

  /** The beginning of a file of a process; undefined when the process is gone or keeps it from us. */
  const readHead = (path: string): string | undefined =>
    unlessGone(() => {
      const file = openSync(path, "r");
      try {
        return readOpen(file);
      } finally {
        closeSync(file);
      }
    });

  const readStat = (pid: number): ProcessStat | undefined => parseStat(readHead(`${root}/${pid}/stat`) ?? "");

  /** Like readStat, with the file kept open: opening costs twice what reading does. */
  const rereadStat = (pid: number): ProcessStat | undefined => {
    const known = kept.get(pid);
    if (known !== undefined) {
      const text = unlessGone(() => readOpen(known));
      if (text !== undefined) return parseStat(text);
      // An open file stays that one process's; the pid may be another's by now.
      forget(pid);
    }
    if (kept.size >= MAX_KEPT_FILES) return readStat(pid);
    const file = unlessGone(() => openSync(`${root}/${pid}/stat`, "r"));
    if (file === undefined) return undefined;
    kept.set(pid, file);
    const text = unlessGone(() => readOpen(file));
    return text === undefined ? undefined : parseStat(text);
  };

  const forget = (pid: number): void => {
    const file = kept.get(pid);
    if (file !== undefined) closeSync(file);
    kept.delete(pid);
    commands.delete(pid);
  };

  const scan = (): Map<number, ProcessStat> => {
    const table = new Map<number, ProcessStat>();
    scannedAt = now();
    for (const name of readdirSync(root)) {
      const pid = Number(name);
      const stat = Number.isInteger(pid) ? rereadStat(pid) : undefined;
      if (stat !== undefined) table.set(stat.pid, stat);
    }
    for (const pid of [...kept.keys(), ...commands.keys()]) if (!table.has(pid)) forget(pid);
    return table;
  };

  const command = (stat: ProcessStat): Command => {
    const key = `${stat.pid} ${stat.startRaw} ${stat.image} ${stat.comm}`;
    const known = commands.get(stat.pid);
    if (known?.key === key && now() - known.readAt < COMMAND_KEPT_MS) return known;
    const argv = parseArgv(readHead(`${root}/${stat.pid}/cmdline`) ?? "");
    const fresh = { argv, exe: readExe(`${root}/${stat.pid}/exe`), key, readAt: now() };
    // In the middle of an exec both are empty for a moment.
    if (argv.length > 0) commands.set(stat.pid, fresh);
    return fresh;
  };

  const described = (stat: ProcessStat): Process => {
    const { image: _, comm, ...rest } = stat;
    const { argv, exe } = command(stat);
    return { ...rest, comm: cleanText(comm, 64), argv, exe };
  };

  const current = (pid: number, startRaw: string): ProcessStat | undefined => {
    const stat = rereadStat(pid);
    return stat?.startRaw === startRaw ? stat : undefined;
  };

  return {
    boot: () => boot,
    async paneProcesses(panes) {
      if (panes.length === 0) {
        // Nobody to look for among what may be thousands. Other targets of this host may have panes.
        if (now() - scannedAt > COMMAND_KEPT_MS) for (const pid of [...kept.keys()]) forget(pid);
        return new Map();
      }
      const table = scan();
      const members = processesOfPanes(
        table,
        panes.map((pane) => pane.panePid),
      );
      const result = new Map<number, PaneProcesses>();
      for (const [panePid, pids] of members) {
        const processes = pids.flatMap((pid): Process[] => {
          const stat = table.get(pid);
          return stat === undefined ? [] : [described(stat)];
        });
        result.set(panePid, { panePid, processes });
      }
      return result;
    },
    find(pid) {
      const stat = readStat(pid);
      return stat === undefined ? undefined : described(stat);
    },
    alive(pid, startRaw) {
      const state = current(pid, startRaw)?.state;
      return state !== undefined && state !== "Z" && state !== "X";
    },
    state: (pid, startRaw) => current(pid, startRaw)?.state,
    close() {
      for (const pid of [...kept.keys()]) forget(pid);
    },
    startedAtNs: (process) => bootedAtNs + BigInt(process.startRaw) * NS_PER_TICK,
  };
}

/**
 * Undefined when the process is gone or not ours to see. Any other failure is thrown: a daemon out of file
 * descriptors must not take every agent for ended.
 */
function unlessGone<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(code)) return undefined;
    throw error;
  }
}

/** Words of a /proc/<pid>/cmdline, bounded in number and in all; well-formed. */
export function parseArgv(text: string): string[] {
  const words: string[] = [];
  let room = MAX_ARGV_CHARS;
  for (const word of text.replace(/\0+$/, "").split("\0", MAX_ARGV_WORDS)) {
    if (room === 0) break;
    const kept = cleanText(word, room);
    room -= kept.length;
    words.push(kept);
  }
  return words.length === 1 && words[0] === "" ? [] : words;
}

/** An executable replaced on disk while it runs (an agent that updates itself) keeps its name. */
function readExe(link: string): string {
  const path = unlessGone(() => readlinkSync(link)) ?? "";
  return cleanText(path, MAX_ARGV_CHARS).replace(/ \(deleted\)$/, "");
}
