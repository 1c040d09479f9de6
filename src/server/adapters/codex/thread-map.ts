import { splitTitle } from "./title.js";

/** A conversation of the app-server, as far as it matters for finding its terminal. */
export interface MappableThread {
  readonly id: string;
  /** Port of the terminal that the app-server has connected it to; stays when that terminal dies. */
  readonly port?: number | undefined;
  readonly name: string;
  readonly loaded: boolean;
  /** Milliseconds since the epoch: when it was made or loaded, or its newest turn began. */
  readonly shownSince: number;
}

/** A terminal (Codex's TUI process), and what it shows. */
export interface MappableTerminal {
  readonly runtimeId: string;
  /** Loopback ports that its process listens on. */
  readonly ports: readonly number[];
  readonly title: string;
  /** When the title was read, in milliseconds since the epoch. */
  readonly titleAt: number;
}

/** A title follows a change of thread by less. */
const TITLE_FOLLOWS_MS = 1_500;

/**
 * Which thread each terminal shows, by runtime id. Every terminal listens on a port of its own, which the app-server
 * names for each thread. After `/new` two threads have one terminal: the newest made, loaded or prompted one is the
 * one shown, unless the title, once it has had time to follow, names another.
 */
export function mapThreads(
  threads: Iterable<MappableThread>,
  terminals: readonly MappableTerminal[],
): Map<string, string> {
  const owners = new Map<number, string[]>();
  for (const { runtimeId, ports } of terminals) {
    for (const port of ports) owners.set(port, [...(owners.get(port) ?? []), runtimeId]);
  }
  const candidates = new Map<string, MappableThread[]>();
  for (const thread of threads) {
    if (!thread.loaded || thread.port === undefined) continue;
    const [owner, second] = owners.get(thread.port) ?? [];
    // One port of two processes is not to be (a fork between two readings): then it tells nothing.
    if (owner === undefined || second !== undefined) continue;
    candidates.set(owner, [...(candidates.get(owner) ?? []), thread]);
  }
  const mapped = new Map<string, string>();
  for (const terminal of terminals) {
    const shown = shownThread(candidates.get(terminal.runtimeId) ?? [], terminal);
    if (shown !== undefined) mapped.set(terminal.runtimeId, shown.id);
  }
  return mapped;
}

function shownThread(
  candidates: readonly MappableThread[],
  terminal: MappableTerminal,
): MappableThread | undefined {
  const [newest, ...others] = [...candidates].sort(
    (a, b) => b.shownSince - a.shownSince || (a.id < b.id ? 1 : -1),
  );
  if (newest === undefined || others.length === 0) return newest;
  if (terminal.titleAt < newest.shownSince + TITLE_FOLLOWS_MS) return newest;
  const named = candidates.filter((thread) => titleNames(terminal.title, thread.name));
  const [only] = named;
  return named.length === 1 && only !== undefined ? only : newest;
}

/** `<name> | <folder>`, or the folder alone for a thread without a name. */
function titleNames(title: string, name: string): boolean {
  const { text } = splitTitle(title);
  return name === "" ? !text.includes(" | ") : text.startsWith(`${name} | `);
}

/** The port of a loopback HTTP origin; undefined for any other address. */
export function originPort(origin: string): number | undefined {
  const match = /^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost):(\d{1,5})\/?$/u.exec(origin);
  const port = Number(match?.[1]);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** When a thread was made, in milliseconds since the epoch: its id is a UUIDv7. 0 if it is not. */
export function threadMadeMs(id: string): number {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-/u.exec(id);
  return match === null ? 0 : Number.parseInt(`${match[1]}${match[2]}`, 16);
}
