import { toBinary } from "@bufbuild/protobuf";
import { PaneSchema, SessionSchema, WindowSchema } from "../../../gen/agtmux/v1/state_pb.js";
import type { Micros } from "../engine/state.js";
import type { TargetReach } from "./reach.js";
import type { ViewChange } from "./view.js";

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

function encodedBytes(change: ViewChange): number {
  let bytes = 64;
  for (const { after } of change.panes)
    bytes += after === undefined ? 64 : toBinary(PaneSchema, after).length;
  for (const { after } of change.windows)
    bytes += after === undefined ? 32 : toBinary(WindowSchema, after).length;
  for (const { after } of change.sessions)
    bytes += after === undefined ? 32 : toBinary(SessionSchema, after).length;
  return bytes;
}

/** The append-only ring of one daemon life. Sequences begin at 1 and have no gaps. */
export class WatchLog {
  #entries: LogEntry[] = [];
  /** Index of the oldest entry that still counts; dropped ones before it are let go in bulk. */
  #start = 0;
  #head = 0;
  #bytes = 0;

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
    const bytes = encodedBytes(change);
    this.#head += 1;
    const entry: LogEntry = { ...change, sequence: this.#head, at, targets, bytes };
    this.#entries.push(entry);
    this.#bytes += bytes;
    while (this.#entries.length - this.#start > this.maxEntries || this.#bytes > this.maxBytes) {
      this.#bytes -= this.#entries[this.#start]?.bytes ?? 0;
      this.#start += 1;
    }
    if (this.#start > 1_024 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
    return entry;
  }

  /** The entry after `sequence`; undefined if there is none yet. `sequence` must be within reach. */
  after(sequence: number): LogEntry | undefined {
    return this.#entries[this.#start + (sequence - this.reach)];
  }
}
