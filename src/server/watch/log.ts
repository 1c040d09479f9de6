import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { PaneSchema, SessionSchema, WindowSchema } from "../../../gen/agtmux/v1/state_pb.js";
import type { Micros } from "../engine/state.js";
import type { TargetReach } from "./reach.js";
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
 * Entries whose rows are held as they are, for readers that keep up. Older ones are held encoded: a row is some ten times
 * larger as an object.
 */
const OPEN_ENTRIES = 512;

type Encoded = RowChange<Uint8Array>;

interface Sealed {
  readonly panes: readonly Encoded[];
  readonly windows: readonly Encoded[];
  readonly sessions: readonly Encoded[];
}

type Kept = Pick<LogEntry, "sequence" | "at" | "targets" | "bytes"> & {
  readonly sealed: Sealed;
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
  /** Each row is encoded once: what one entry has after is what a later one has before. */
  readonly #encodings = new WeakMap<object, Uint8Array>();

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
    const sealed: Sealed = {
      panes: change.panes.map((row) => this.#seal(PaneSchema, row)),
      windows: change.windows.map((row) => this.#seal(WindowSchema, row)),
      sessions: change.sessions.map((row) => this.#seal(SessionSchema, row)),
    };
    const bytes = size(sealed);
    this.#head += 1;
    const facts = { sequence: this.#head, at, targets, bytes };
    this.#entries.push({ ...facts, sealed, open: change });
    delete this.#entries.at(-OPEN_ENTRIES - 1)?.open;
    this.#bytes += bytes;
    while (this.#entries.length - this.#start > this.maxEntries || this.#bytes > this.maxBytes) {
      this.#bytes -= this.#entries[this.#start]?.bytes ?? 0;
      this.#start += 1;
    }
    if (this.#start > 1_024 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
    return { ...facts, ...change };
  }

  /** Entries after `from` up to and including `to`; both must be within reach. */
  between(from: number, to: number): LogEntry[] {
    const first = this.#start + (from - this.reach);
    // What one entry has after, a later one has before: it is decoded once.
    const decoder = new Decoder();
    return this.#entries.slice(first, first + (to - from)).map(({ sealed, open, ...facts }) => {
      return open === undefined ? decoder.entry(facts, sealed) : { ...facts, ...open };
    });
  }

  /** Every target's reach as the entry with this sequence told it; undefined if it is out of reach. */
  targetsAt(sequence: number): readonly TargetReach[] | undefined {
    return this.#entries[this.#start + (sequence - 1 - this.reach)]?.targets;
  }

  #seal<D extends DescMessage>(schema: D, { before, after }: RowChange<MessageShape<D>>): Encoded {
    return {
      before: before === undefined ? undefined : this.#encode(schema, before),
      after: after === undefined ? undefined : this.#encode(schema, after),
    };
  }

  #encode<D extends DescMessage>(schema: D, row: MessageShape<D>): Uint8Array {
    const known = this.#encodings.get(row);
    if (known !== undefined) return known;
    const encoded = toBinary(schema, row);
    this.#encodings.set(row, encoded);
    return encoded;
  }
}

/** What comes after counts; what was before is shared with an earlier entry. */
function size({ panes, windows, sessions }: Sealed): number {
  return [...panes, ...windows, ...sessions].reduce((sum, { after }) => sum + (after?.length ?? 64), 64);
}

/** Decodes only the rows that somebody asks for, each once. */
class Decoder {
  readonly #rows = new Map<Uint8Array, unknown>();

  entry(facts: Omit<LogEntry, keyof ViewChange>, sealed: Sealed): LogEntry {
    const changes = <D extends DescMessage>(schema: D, rows: readonly Encoded[]) => {
      let decoded: RowChange<MessageShape<D>>[] | undefined;
      return () => {
        decoded ??= rows.map(({ before, after }) => ({
          before: before && this.#decode(schema, before),
          after: after && this.#decode(schema, after),
        }));
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

  #decode<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
    const known = this.#rows.get(bytes);
    // Sound: a row's bytes are of one schema only.
    if (known !== undefined) return known as MessageShape<D>;
    const row = fromBinary(schema, bytes);
    this.#rows.set(bytes, row);
    return row;
  }
}
