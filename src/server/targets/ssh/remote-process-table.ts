import { randomBytes } from "node:crypto";
import type { PaneProcesses, Process } from "../../adapters/contract.js";
import { cleanText } from "../../tmux/text.js";
import { ExecutorError } from "../executor.js";
import { parseArgv } from "../linux-process-table.js";
import { type ProcessStat, parseStat, processesOfPanes } from "../process-stat.js";
import { HostUnsupported, type ProcessTable } from "../process-table.js";
import type { HostShell } from "../shell/command-channel.js";
import { ChangedReading } from "./changed-reading.js";
import type { HostFacts, RemoteHost } from "./remote-host.js";

/** Some 15 000 processes with a terminal. */
const MAX_TABLE_BYTES = 2 * 1024 * 1024;
/** As much of a command line as is read of a local process. */
const COMMAND_BYTES = 4_096;
/** Most command lines read in one round trip. */
const MAX_COMMANDS = 128;
/** A command whose place in memory may not be seen is read again after this time, in case of an exec. */
const UNSEEN_KEPT_MS = 10_000;
const KEPT_MS = 60_000;
const NS_PER_SECOND = 1_000_000_000n;

/**
 * Every process with a terminal: of its stat line the fields that matter, in the order of /proc/<pid>/stat up to
 * tpgid (8), then the start (22) and the place of the arguments (48, 49). Before them a word, as a sign that /proc is there
 * and looks as expected.
 */
const CUT =
  "\\([0-9]* (.*) [A-Za-z] [0-9]* [0-9]* [0-9]* [-0-9]* [-0-9]* \\)\\([-0-9]* \\)\\{13\\}\\([0-9]* \\)\\([-0-9]* \\)\\{25\\}\\([0-9]* [0-9]*\\).*";
const TABLE = `{ sed -n 's/^${CUT}$/self/p' /proc/self/stat; cat /proc/[0-9]*/stat 2>/dev/null | sed -n -e '/) [A-Za-z] [0-9]* [0-9]* [0-9]* 0 /d' -e 's/^${CUT}$/\\1\\3\\5/p'; }`;

interface Command {
  readonly argv: readonly string[];
  readonly exe: string;
  readonly key: string;
  readonly readAt: number;
}

export interface RemoteProcessTable extends ProcessTable {
  /** Begins a look, which the next `paneProcesses` takes for its own; for whoever is about to read the panes. */
  beginLook(): void;
}

/**
 * The processes of a Linux host that have a terminal (of others no pane is told). `paneProcesses` looks, in one round
 * trip and a second one for new command lines; every other method answers from its last look. `now` is a monotonic
 * clock in milliseconds.
 */
export function createRemoteProcessTable(
  host: RemoteHost,
  now: () => number = () => performance.now(),
): RemoteProcessTable {
  const reading = new ChangedReading("ps");
  /** A look that was begun beside the reading of the panes, in the shell that it was asked. */
  let begun: { readonly shell: HostShell; readonly done: Promise<void> } | undefined;
  const commands = new Map<number, Command>();
  let table: ReadonlyMap<number, ProcessStat> = new Map();
  let facts: HostFacts | undefined;

  const scan = async (shell: HostShell): Promise<void> => {
    const { text, changed } = await reading.read(shell, TABLE, MAX_TABLE_BYTES);
    if (!changed && table.size > 0) return;
    table = parseTable(text);
    for (const pid of commands.keys()) if (!table.has(pid)) commands.delete(pid);
  };

  const key = (stat: ProcessStat): string => `${stat.startRaw} ${stat.image} ${stat.comm}`;
  const stale = (stat: ProcessStat): boolean => {
    const known = commands.get(stat.pid);
    const kept = stat.image === "0-0" ? UNSEEN_KEPT_MS : KEPT_MS;
    return known === undefined || known.key !== key(stat) || now() - known.readAt > kept;
  };

  const readCommands = async (shell: HostShell, stats: readonly ProcessStat[]): Promise<void> => {
    const separator = randomBytes(8).toString("hex");
    const pids = stats.map((stat) => stat.pid).join(" ");
    // 2>/dev/null: processes go while they are read.
    const script = `for agtmux_p in ${pids}; do head -c ${COMMAND_BYTES} "/proc/$agtmux_p/cmdline"; printf %s ${separator}; readlink "/proc/$agtmux_p/exe"; printf %s ${separator}; done 2>/dev/null`;
    const maxBytes = stats.length * (2 * COMMAND_BYTES + 64);
    const { stdout } = await shell.run(script, { maxBytes });
    const parts = stdout.toString("utf8").split(separator);
    if (parts.length !== 2 * stats.length + 1)
      throw new ExecutorError("protocol", "command lines came mixed up");
    for (const [index, stat] of stats.entries()) {
      const argv = parseArgv(parts[2 * index] ?? "");
      const exe = cleanText(parts[2 * index + 1] ?? "", COMMAND_BYTES).replace(/ \(deleted\)$/u, "");
      // In the middle of an exec both are empty for a moment.
      if (argv.length > 0) commands.set(stat.pid, { argv, exe, key: key(stat), readAt: now() });
      else commands.delete(stat.pid);
    }
  };

  const described = (stat: ProcessStat): Process => {
    const { image: _, comm, ...rest } = stat;
    const known = commands.get(stat.pid);
    return { ...rest, comm: cleanText(comm, 64), argv: known?.argv ?? [], exe: known?.exe ?? "" };
  };
  const current = (pid: number, startRaw: string): ProcessStat | undefined => {
    const stat = table.get(pid);
    return stat?.startRaw === startRaw ? stat : undefined;
  };

  return {
    boot: () => facts?.boot ?? "",
    beginLook() {
      begun = undefined;
      const { shell } = host;
      if (shell === undefined) return;
      begun = { shell, done: scan(shell) };
      // Who takes it learns why it failed.
      begun.done.catch(() => undefined);
    },
    async paneProcesses(panes) {
      const reached = await host.reached();
      facts = reached.facts;
      if (facts.system !== "Linux" || facts.boot === "") {
        throw new HostUnsupported(
          `processes of a ${facts.system || "nameless"} host cannot be read, only of Linux`,
        );
      }
      const early = begun?.shell === reached.shell ? begun.done : undefined;
      begun = undefined;
      await (early ?? scan(reached.shell));
      // A pane that came after that look.
      if (early !== undefined && panes.some(({ panePid }) => !table.has(panePid))) await scan(reached.shell);
      const members = processesOfPanes(
        table,
        panes.map((pane) => pane.panePid),
      );
      const stats = new Map(
        [...members].map(([panePid, pids]) => [panePid, pids.flatMap((pid) => table.get(pid) ?? [])]),
      );
      // Only what runs in a foreground is ever taken for an agent. Parents come first, also of what is left for later.
      const wanted = [...stats.values()].flat().filter((stat) => stat.pgid === stat.tpgid && stale(stat));
      for (let from = 0; from < wanted.length; from += MAX_COMMANDS) {
        await readCommands(reached.shell, wanted.slice(from, from + MAX_COMMANDS));
      }
      return new Map(
        [...stats].map(([panePid, own]): [number, PaneProcesses] => [
          panePid,
          { panePid, processes: own.map(described) },
        ]),
      );
    },
    find(pid) {
      const stat = table.get(pid);
      return stat === undefined ? undefined : described(stat);
    },
    alive(pid, startRaw) {
      const state = current(pid, startRaw)?.state;
      return state !== undefined && state !== "Z" && state !== "X";
    },
    state: (pid, startRaw) => current(pid, startRaw)?.state,
    startedAtNs: ({ startRaw }) => {
      const ticks = BigInt(facts?.ticksPerSecond ?? 100);
      return BigInt(host.bootedAt) * 1_000n + (BigInt(startRaw) * NS_PER_SECOND) / ticks;
    },
    close: () => undefined,
  };
}

/** Throws ExecutorError if the text is no process table: that says nothing about any process. */
function parseTable(text: string): Map<number, ProcessStat> {
  const [self, ...lines] = text.split("\n");
  if (self !== "self") {
    throw new ExecutorError("protocol", "/proc of the host cannot be read");
  }
  const table = new Map<number, ProcessStat>();
  for (const line of lines) {
    const stat = parseCut(line);
    if (stat !== undefined) table.set(stat.pid, stat);
  }
  return table;
}

/** A cut line with zeros in the place of what was cut. */
function parseCut(line: string): ProcessStat | undefined {
  const close = line.lastIndexOf(")");
  const fields = line.slice(close + 2).split(" ");
  if (close < 0 || fields.length !== 9) return undefined;
  const [start = "", first = "", last = ""] = fields.slice(6);
  const zeros = (count: number): string[] => new Array<string>(count).fill("0");
  const whole = [...fields.slice(0, 6), ...zeros(13), start, ...zeros(25), first, last];
  // A name is UTF-8 if it is anything.
  const name = Buffer.from(line.slice(0, close + 1), "latin1").toString("utf8");
  return parseStat(`${name} ${whole.join(" ")}`);
}
