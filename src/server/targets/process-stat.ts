/** What one line of /proc/<pid>/stat says, as far as it matters here. */
export interface ProcessStat {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly tty: number;
  readonly tpgid: number;
  readonly state: string;
  readonly startRaw: string;
  readonly comm: string;
  /** Where the argument list lies in memory; another place after each exec. "0" where it may not be read. */
  readonly image: string;
}

/** The part of a process that its place in the tree needs. */
export interface ProcessLink {
  readonly pid: number;
  readonly ppid: number;
  readonly tty: number;
}

/** Most processes of one pane that are looked at; those nearest to the pane's first process come first. */
export const MAX_PANE_PROCESSES = 256;

/**
 * Reads a line of /proc/<pid>/stat; undefined if it is none. A command name may hold spaces, parentheses and
 * newlines, so the fields are counted from the last `)`.
 */
export function parseStat(line: string): ProcessStat | undefined {
  const open = line.indexOf("(");
  const close = line.lastIndexOf(")");
  if (open < 0 || close < open) return undefined;
  const pid = Number(line.slice(0, open));
  // fields[0] is field 3 of the manual page.
  const fields = line.slice(close + 2).split(" ", 47);
  const [state = "", ppid, pgid, , tty, tpgid] = fields;
  const startRaw = fields[19] ?? "";
  const numbers = [pid, Number(ppid), Number(pgid), Number(tty), Number(tpgid)];
  if (!numbers.every(Number.isSafeInteger) || !/^[A-Za-z]$/.test(state) || !/^\d+$/.test(startRaw)) {
    return undefined;
  }
  return {
    pid,
    ppid: Number(ppid),
    pgid: Number(pgid),
    // The kernel prints an unsigned device number as if it were signed.
    tty: Number(tty) >>> 0,
    tpgid: Number(tpgid),
    state,
    startRaw,
    comm: line.slice(open + 1, close),
    image: `${fields[45] ?? "0"}-${(fields[46] ?? "0").trimEnd()}`,
  };
}

/**
 * The processes of each pane, by the pid of its first one: those on its terminal and its descendants, parents
 * before children. A pane whose first process is not in the table has none.
 */
export function processesOfPanes(
  table: ReadonlyMap<number, ProcessLink>,
  panePids: readonly number[],
): Map<number, number[]> {
  const children = Map.groupBy(table.values(), (process) => process.ppid);
  const terminals = Map.groupBy(table.values(), (process) => process.tty);
  const result = new Map<number, number[]>();
  for (const panePid of panePids) {
    const first = table.get(panePid);
    const found = new Set<number>();
    // Breadth first: what lies nearest to the pane's first process is never what a full list leaves out.
    const visit = (roots: readonly ProcessLink[]): void => {
      let level = roots;
      while (level.length > 0 && found.size < MAX_PANE_PROCESSES) {
        const next: ProcessLink[] = [];
        for (const process of level) {
          if (found.has(process.pid) || found.size >= MAX_PANE_PROCESSES) continue;
          found.add(process.pid);
          next.push(...(children.get(process.pid) ?? []));
        }
        level = next;
      }
    };
    if (first !== undefined) {
      visit([first]);
      const strays = first.tty === 0 ? [] : (terminals.get(first.tty) ?? []);
      const others = strays.filter((process) => !found.has(process.pid));
      const among = new Set(others.map((process) => process.pid));
      visit(others.filter((process) => !among.has(process.ppid)));
      visit(others);
    }
    result.set(panePid, [...found]);
  }
  return result;
}
