import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { PaneSchema, SessionSchema, WindowSchema } from "../../../gen/agtmux/v1/state_pb.js";
import type { Micros } from "../engine/state.js";
import type { TargetReach } from "./reach.js";
import { RowArchive } from "./row-archive.js";
import type { RowChange, ViewChange } from "./view.js";

/** One change of what lists show: panes, and the windows and sessions they imply, under one sequence. */
export interface LogEntry extends ViewChange {
  readonly sequence: number;
  /** When it became visible. */
  readonly at: Micros;
  /** Every target's reach from this entry on. */
  readonly targets: readonly TargetReach[];
  /** Encoded size of its rows. */
  readonly bytes: number;
}

/**
 * Entries whose rows are held as they are, for readers that keep up. Of older ones the rows are held packed: as an object
 * a row is more than a hundred times larger.
 */
const OPEN_ENTRIES = 512;
/** A row that was archived longer ago than this many rows is archived again, so that old ones can be let go. */
const ROWS_APART = 4_096;
/** No row: it came, or it went. */
const NONE = -1;

/** Numbers of rows in the archive: of each change what was before and what is after. */
type Numbers = readonly number[];

interface Sealed {
  readonly panes: Numbers;
  readonly windows: Numbers;
  readonly sessions: Numbers;
}

type Kept = Pick<LogEntry, "sequence" | "at" | "targets" | "bytes"> & {
  /** What the archive of rows held up to here when it was appended. */
  readonly firstRow: number;
  /** Absent once the entry is no longer among the newest. */
  open?: ViewChange;
};

/** The append-only ring of one daemon life. Sequences begin at 1 and have no gaps. */
export class WatchLog {
  #entries: Kept[] = [];
  /** Index of the oldest entry that still counts; dropped ones before it are let go in bulk. */
  #start = 0;
  #head = 0;
  #bytes = 0;
  readonly #archive = new RowArchive();
  /** Of each entry, in their order: which rows of the archive it is about. */
  readonly #sealed = new RowArchive();
  /** Each row is archived once: what one entry has after is what a later one has before. */
  readonly #numbers = new WeakMap<object, number>();

  constructor(
    private readonly maxEntries: number,
    private readonly maxBytes: number,
  ) {}

  /** Sequence of the newest entry; 0 before the first. */
  get head(): number {
    return this.#head;
  }

  /** The oldest sequence that a reader may have seen last and go on from without a gap. */
  get reach(): number {
    return this.#head - (this.#entries.length - this.#start);
  }

  append(change: ViewChange, targets: readonly TargetReach[], at: Micros): LogEntry {
    const firstRow = this.#archive.next;
    const size = { bytes: 64 };
    const sealed = packed({
      panes: change.panes.flatMap((row) => this.#seal(PaneSchema, row, size)),
      windows: change.windows.flatMap((row) => this.#seal(WindowSchema, row, size)),
      sessions: change.sessions.flatMap((row) => this.#seal(SessionSchema, row, size)),
    });
    // The number that it gets is its sequence less one: both have no gaps.
    this.#sealed.put(sealed);
    const { bytes } = size;
    this.#head += 1;
    const facts = { sequence: this.#head, at, targets, bytes };
    this.#entries.push({ ...facts, firstRow, open: change });
    delete this.#entries.at(-OPEN_ENTRIES - 1)?.open;
    this.#bytes += bytes;
    while (this.#entries.length - this.#start > this.maxEntries || this.#bytes > this.maxBytes) {
      this.#bytes -= this.#entries[this.#start]?.bytes ?? 0;
      this.#start += 1;
    }
    if (this.#start > 1_024 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
      this.#archive.dropBefore((this.#entries[0]?.firstRow ?? this.#archive.next) - ROWS_APART);
      this.#sealed.dropBefore(this.reach);
    }
    return { ...facts, ...change };
  }

  /** Entries after `from` up to and including `to`; both must be within reach. */
  between(from: number, to: number): LogEntry[] {
    // What one entry has after, a later one has before: it is decoded once.
    const decoder = new Decoder(this.#archive);
    const read = this.#sealed.reader();
    return this.#slice(from, to).map(({ open, firstRow: _, ...facts }) => {
      return open === undefined
        ? decoder.entry(facts, unpacked(read(facts.sequence - 1)))
        : { ...facts, ...open };
    });
  }

  /**
   * The same entries as one, which says of each row what it was before the first of them and is after the last. What lay
   * in between is not looked at. A row may have several changes in it, in their order. Undefined without an entry.
   */
  merged(from: number, to: number): LogEntry | undefined {
    const kept = this.#slice(from, to);
    const last = kept.at(-1);
    if (last === undefined) return undefined;
    const { sequence, at, targets, bytes } = last;
    const read = this.#sealed.reader();
    const sealed = kept.map((entry) => unpacked(read(entry.sequence - 1)));
    return new Decoder(this.#archive).entry(
      { sequence, at, targets, bytes },
      {
        panes: joined(sealed.map(({ panes }) => panes)),
        windows: joined(sealed.map(({ windows }) => windows)),
        sessions: joined(sealed.map(({ sessions }) => sessions)),
      },
    );
  }

  /** Every target's reach as the entry with this sequence told it; undefined if it is out of reach. */
  targetsAt(sequence: number): readonly TargetReach[] | undefined {
    return this.#entries[this.#start + (sequence - 1 - this.reach)]?.targets;
  }

  #slice(from: number, to: number): Kept[] {
    const first = this.#start + (from - this.reach);
    return this.#entries.slice(first, first + (to - from));
  }

  /** What comes after counts; what was before is shared with an earlier entry. */
  #seal<D extends DescMessage>(
    schema: D,
    { before, after }: RowChange<MessageShape<D>>,
    size: { bytes: number },
  ): [number, number] {
    const numbers = [before, after].map((row) =>
      row === undefined ? NONE : this.#number(schema, row, size),
    );
    if (after === undefined) size.bytes += 64;
    return [numbers[0] ?? NONE, numbers[1] ?? NONE];
  }

  #number<D extends DescMessage>(schema: D, row: MessageShape<D>, size: { bytes: number }): number {
    const known = this.#numbers.get(row);
    if (known !== undefined && known > this.#archive.next - ROWS_APART) return known;
    const bytes = toBinary(schema, row);
    size.bytes += bytes.length;
    const number = this.#archive.put(bytes);
    this.#numbers.set(row, number);
    return number;
  }
}

/** Numbers as bytes: how many there are for panes and for windows, then all of them. */
function packed({ panes, windows, sessions }: Sealed): Uint8Array {
  const numbers = Int32Array.from([panes.length, windows.length, ...panes, ...windows, ...sessions]);
  return new Uint8Array(numbers.buffer);
}

function unpacked(bytes: Uint8Array): Sealed {
  // A copy, since the bytes may lie anywhere.
  const [panes = 0, windows = 0, ...numbers] = new Int32Array(Uint8Array.from(bytes).buffer);
  return {
    panes: numbers.slice(0, panes),
    windows: numbers.slice(panes, panes + windows),
    sessions: numbers.slice(panes + windows),
  };
}

/** Joins each row's changes, which follow one another: the number that one has after is what a later one has before. */
function joined(changes: readonly Numbers[]): Numbers {
  const chains: [number, number][] = [];
  const byEnd = new Map<number, [number, number]>();
  for (const numbers of changes) {
    for (let index = 0; index < numbers.length; index += 2) {
      const [before = NONE, after = NONE] = [numbers[index], numbers[index + 1]];
      const known = before === NONE ? undefined : byEnd.get(before);
      const chain = known ?? [before, after];
      if (known === undefined) chains.push(chain);
      byEnd.delete(before);
      chain[1] = after;
      if (after !== NONE) byEnd.set(after, chain);
    }
  }
  return chains.flat();
}

/** Decodes only the rows that somebody asks for, each once. */
class Decoder {
  readonly #rows = new Map<number, unknown>();
  readonly #read;

  constructor(archive: RowArchive) {
    this.#read = archive.reader();
  }

  entry(facts: Omit<LogEntry, keyof ViewChange>, sealed: Sealed): LogEntry {
    const changes = <D extends DescMessage>(schema: D, numbers: Numbers) => {
      let decoded: RowChange<MessageShape<D>>[] | undefined;
      return () => {
        if (decoded !== undefined) return decoded;
        const row = (index: number): MessageShape<D> | undefined =>
          this.#decode(schema, numbers[index] ?? NONE);
        decoded = [];
        for (let index = 0; index < numbers.length; index += 2)
          decoded.push({ before: row(index), after: row(index + 1) });
        return decoded;
      };
    };
    const panes = changes(PaneSchema, sealed.panes);
    const windows = changes(WindowSchema, sealed.windows);
    const sessions = changes(SessionSchema, sealed.sessions);
    return {
      ...facts,
      get panes() {
        return panes();
      },
      get windows() {
        return windows();
      },
      get sessions() {
        return sessions();
      },
    };
  }

  #decode<D extends DescMessage>(schema: D, number: number): MessageShape<D> | undefined {
    if (number === NONE) return undefined;
    const known = this.#rows.get(number);
    // Sound: a row's number is of one schema only.
    if (known !== undefined) return known as MessageShape<D>;
    const row = fromBinary(schema, this.#read(number));
    this.#rows.set(number, row);
    return row;
  }
}
