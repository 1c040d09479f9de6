import type { PaneProcesses, Process } from "../../src/server/adapters/contract.js";
import type { ProcessTable } from "../../src/server/targets/process-table.js";
import { NO_SERVER, type PaneRow, type Topology } from "../../src/server/tmux/topology.js";

/** Nanoseconds of one unit of a process's raw start value. */
const TICK_NS = 10_000_000n;

const SHELL = 10;

/** What a test says of one process. */
export interface Running {
  readonly pid: number;
  /** In hundredths of a second since the epoch. */
  readonly startRaw: string;
  readonly argv: readonly string[];
  readonly ppid?: number;
  /** Not in the terminal's foreground. */
  readonly background?: boolean;
}

/** One pane, `%1` of one tmux server, and the processes of its terminal, as the test sets them. */
export class PaneWorld {
  hostBoot = "host boot";
  bootId: string | undefined = "77:1700000000";
  panePid = SHELL;
  /** The pane is there; its first process may be dead. */
  present = true;
  dead = false;
  deadStatus: number | undefined;
  session = "work";
  cwd = "/w";
  running: readonly Running[] = [];

  readonly table: ProcessTable = {
    boot: () => this.hostBoot,
    paneProcesses: async (panes) =>
      new Map(panes.map(({ panePid }) => [panePid, this.#processes(panePid)] as const)),
    find: (pid) => this.#processes(this.panePid).processes.find((process) => process.pid === pid),
    alive: (pid, startRaw) => this.#is(pid, startRaw),
    state: (pid, startRaw) => (this.#is(pid, startRaw) ? "S" : undefined),
    startedAtNs: (process) => BigInt(process.startRaw) * TICK_NS,
    close: () => undefined,
  };

  topology(): Topology {
    if (this.bootId === undefined) return NO_SERVER;
    const panes = this.present ? [this.#row()] : [];
    const [pid, start] = this.bootId.split(":").map(Number);
    return { ...NO_SERVER, bootId: this.bootId, serverPid: pid, startTime: start, rows: panes, panes };
  }

  #is(pid: number, startRaw: string): boolean {
    return this.running.some((one) => one.pid === pid && one.startRaw === startRaw);
  }

  #processes(panePid: number): PaneProcesses {
    const shell: Running = { pid: panePid, startRaw: "1", argv: ["sh"], ppid: 1, background: true };
    const all = this.running.some(({ pid }) => pid === panePid) ? this.running : [shell, ...this.running];
    return { panePid, processes: all.map((one) => this.#process(one, panePid)) };
  }

  #process({ pid, startRaw, argv, ppid, background }: Running, panePid: number): Process {
    const comm = argv[0]?.split("/").at(-1) ?? "";
    const pgid = background === true ? panePid : SHELL + 1;
    return {
      pid,
      ppid: ppid ?? panePid,
      pgid,
      tty: 1,
      tpgid: SHELL + 1,
      state: "S",
      startRaw,
      comm,
      argv,
      exe: "",
    };
  }

  #row(): PaneRow {
    return {
      sessionId: "$0",
      sessionName: this.session,
      sessionGroup: undefined,
      sessionAttached: 0,
      windowId: "@0",
      windowName: "w",
      windowIndex: 0,
      windowActive: true,
      windowActivity: 0,
      paneId: "%1",
      paneIndex: 0,
      paneActive: true,
      panePid: this.panePid,
      paneTty: "/dev/pts/1",
      dead: this.dead,
      deadStatus: this.deadStatus,
      deadSignal: undefined,
      inMode: false,
      alternateOn: false,
      inputOff: false,
      synchronized: false,
      width: 80,
      height: 24,
      currentCommand: "sh",
      currentPath: this.cwd,
      title: "",
      alsoIn: [],
    };
  }
}
