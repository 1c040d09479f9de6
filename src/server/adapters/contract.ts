import type { Duplex } from "node:stream";
import type { AttributeValue, BoundEvent, Transition } from "../engine/event.js";
import type { Json, Reducer } from "../engine/fold.js";
import type { Micros, Source } from "../engine/state.js";
import type { ScreenPatterns } from "./screen-patterns.js";

/** A minor version may only add. */
export const ADAPTER_CONTRACT_VERSION = "1.0";

export interface Capabilities {
  readonly eventDriven: boolean;
  readonly pollingRequired: boolean;
  readonly supportsWaitingApproval: boolean;
  readonly supportsWaitingInput: boolean;
  readonly supportsCompleted: boolean;
}

/** One row of the process table. */
export interface Process {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  /** Device number of the controlling terminal; 0 without one. */
  readonly tty: number;
  /** Foreground process group of that terminal; -1 without one. */
  readonly tpgid: number;
  /** One letter: R, S, D, T (stopped), Z (zombie) … */
  readonly state: string;
  /** Field 22 of /proc/<pid>/stat, as it stands. Two processes are the same only if boot, pid and this agree. */
  readonly startRaw: string;
  readonly comm: string;
  readonly argv: readonly string[];
  /** Path of the executable; empty when it cannot be read. */
  readonly exe: string;
}

/** The processes of one pane's terminal, parents before children. */
export interface PaneProcesses {
  readonly panePid: number;
  readonly processes: readonly Process[];
}

/** An agent found in a pane. */
export interface IdentifiedProcess {
  /** The process that does the work; absent while only its launcher is there. */
  readonly worker?: Process | undefined;
  /** The agent's outermost process: the launcher, or the worker itself. */
  readonly outermost: Process;
}

/** What an adapter is told of a runtime that it may publish signals for. */
export interface RuntimeView {
  readonly runtimeId: string;
  readonly paneId: string;
  readonly agentPid: number;
  readonly startRaw: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The pane's title as tmux has it, glyphs included. */
  readonly title: string;
  readonly agentSessionId: string;
}

/** A signal that an adapter's subscription or screen reading publishes. */
export interface NativeSignal {
  readonly runtimeId: string;
  readonly source: Extract<Source, "native" | "poller">;
  readonly channel: string;
  /** As the agent names it; goes into the event row. */
  readonly eventType: string;
  readonly eventTime: Micros;
  /** Resolution of the clock that eventTime was read from, in microseconds. */
  readonly resolution: Micros;
  /** The same fact seen twice (after a restart, say) has the same key. */
  readonly dedupeKey: string;
  readonly transition?: Transition | undefined;
  readonly agentSessionId?: string | undefined;
}

export interface Closable {
  close(): void;
}

/** Why a socket could not be connected to. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(
    /** There is no socket: nothing that would listen on it runs. */
    readonly absent: boolean,
    message: string,
  ) {
    super(message);
  }
}

/** What a subscription may use of the host its agents run on. Every wait has a deadline of its own. */
export interface AgentHost {
  /** Microseconds since the epoch, by the clock of the agents' host; times of signals are by the same. */
  now(): Micros;
  /** The named variables of a process's environment; no others are ever read out. Undefined: unreadable. */
  environment(pid: number, names: readonly string[]): Promise<Readonly<Record<string, string>> | undefined>;
  /** The user's home directory on that host. */
  home(): Promise<string>;
  /** At most `maxBytes` of a file; undefined if there is none. Throws what the file system says otherwise. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** The last `maxBytes` of a file; undefined if there is none. */
  readTail(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Calls back with the name of each entry that changes. The directory need not exist yet. */
  watchDirectory(path: string, onChange: (name: string) => void): Closable;
  /** Ports on 127.0.0.1 or ::1 that a process listens on; none if that cannot be read. */
  loopbackPorts(pid: number): Promise<readonly number[]>;
  /** Connects to a Unix socket of the host, which must be the user's own. Rejects with Unreachable, or as readFile does. */
  dial(path: string): Promise<Duplex>;
  /** Publishes signals; those of one call are folded together. */
  emit(signals: readonly NativeSignal[]): void;
  /** Asks for a look at a runtime's screen now; its reading is published with the next emit. */
  look(runtimeId: string): Promise<void>;
  /** Says that a channel works with less than it should, or (undefined) that it works again. */
  degraded(channel: string, message: string | undefined): void;
}

/** A live subscription to everything one adapter hears on one target. */
export interface AdapterSubscription extends Closable {
  /** The runtimes of this agent on this target, whenever that set or a title changes. */
  update(runtimes: readonly RuntimeView[]): void;
  /** Called every second or two: look again at what may have been missed. */
  tick(): void;
}

/** A hook, notify or wrapper signal as it came in. */
export interface RawSignal {
  readonly source: Source;
  readonly channel: string;
  readonly eventType: string;
  /** Parsed JSON of the payload, or of its leading fields when it was cut. */
  readonly payload: unknown;
}

/** What an adapter makes of a raw signal. Only what stands here is ever stored. */
export interface Normalized {
  /** Absent: no rule knows the signal; it is kept, counted, and changes nothing. */
  readonly transition?: Transition | undefined;
  /** Not a signal of the agent that sits in the pane at all (a hidden helper thread); drop it. */
  readonly foreign?: boolean | undefined;
  readonly agentSessionId?: string | undefined;
  readonly cwd?: string | undefined;
}

/** One hook entry to be written into the agent's configuration. */
export interface HookEntry {
  readonly event: string;
  readonly matcher?: string | undefined;
  /** Seconds; the agent's own limit on the hook. */
  readonly timeoutSeconds: number;
}

/** How an agent's hooks are configured, as data for the generic installer. */
export interface HookPlan {
  /** Path under the agent's configuration folder. */
  readonly file: string;
  /** Configuration folder under the home directory. */
  readonly folder: string;
  /** Environment variable that moves the configuration folder. */
  readonly folderVariable: string;
  /** Shape of the file: Claude's `hooks.<Event>[] = {matcher?, hooks: [{type, command, timeout}]}`. */
  readonly format: "claude-hooks-json";
  readonly entries: readonly HookEntry[];
  /** Names of the agent's binary, to tell whether it is there. */
  readonly binaries: readonly string[];
  /** What the user has to know after an install; empty if nothing. */
  readonly notice: string;
}

/** How an option of a dialog is recognised by its words. */
export interface DialogKnowledge {
  /** The once-only yes; never "always" and never a mode change. */
  readonly approve: readonly string[];
  /** The plain no. */
  readonly deny: readonly string[];
  /** How long after a dialog is drawn a number chooses its option, in milliseconds; before, it only marks it. */
  readonly settleMs: number;
  /** The options stand below the last line that this matches. */
  readonly optionsBelow: string;
  /** tmux key that stops a turn and keeps the program. */
  readonly interruptKey: string;
  /** A line that stands on the screen while a turn runs: POSIX extended, safe in a tmux format. Absent: there is none. */
  readonly runningLine?: string;
  /** What C-c does. Where it may end the program or open a menu it is not pressed without the user's yes. */
  readonly ctrlC: { readonly mayEnd: boolean; readonly says: string };
}

/** Everything AGTMUX knows of one agent CLI. Pure but for `subscribe`. */
export interface Adapter<M extends Json = Json> {
  readonly contractVersion: string;
  readonly agentType: string;
  readonly displayName: string;
  /** Versions of the agent that its surfaces were measured with. */
  readonly measuredVersions: readonly string[];
  readonly capabilities: Capabilities;
  readonly reducer: Reducer<M>;
  readonly screen: ScreenPatterns;
  readonly dialog: DialogKnowledge;
  readonly hooks?: HookPlan | undefined;
  /** The pane id in its hooks may be another pane's; it counts only with an ancestor on that pane's terminal. */
  readonly paneIdUnreliable: boolean;
  identifyProcess(pane: PaneProcesses): IdentifiedProcess | undefined;
  /** A process that works for several terminals at once: nothing above it proves a pane. */
  isHelper?(process: Process): boolean;
  normalize(signal: RawSignal): Normalized;
  /** What the title alone says; undefined: nothing. */
  readTitle?(title: string): Transition | undefined;
  subscribe?(host: AgentHost): AdapterSubscription;
}

/** An adapter with its memory type forgotten, as the registry holds it. */
export type AnyAdapter = Adapter<Json>;

/** Forgets an adapter's memory type. Sound because a memory only ever returns to the adapter that made it. */
export function registered<M extends Json>(adapter: Adapter<M>): AnyAdapter {
  const { reducer } = adapter;
  return {
    ...adapter,
    reducer: {
      initial: reducer.initial,
      reduce: (memory, event: BoundEvent) => reducer.reduce(memory as M, event),
      candidates: (memory) => reducer.candidates(memory as M),
    },
  };
}

/** Reads one attribute of a transition as a string; empty if it is not there. */
export function attribute(event: BoundEvent, name: string): string {
  const value: AttributeValue | undefined = event.transition?.attributes?.[name];
  return value === undefined ? "" : String(value);
}
