/** How an ingest answer spells what became of an event. */
export type AnswerStatus = "accepted" | "duplicate" | "pending" | "dropped" | "rejected";

/** An event as its sender made it. Two of one dedupe key are one event to the store. */
export interface AskedEvent {
  readonly eventId: string;
  readonly dedupeKey: string;
}

/** A row as a list or stream showed it: its identity, and everything that it says, as text. */
export interface ToldRow {
  readonly key: string;
  readonly text: string;
  readonly agent?: ToldAgent | undefined;
}

export interface ToldAgent {
  readonly runtimeId: string;
  /** As the database spells it. */
  readonly state: string;
  readonly reason: string;
  readonly version: number;
}

/** A watch message, as far as its promises go. */
export interface ToldMessage {
  readonly type: "snapshot" | "delta" | "reset" | "bookmark";
  readonly streamId: string;
  readonly sequence: number;
  readonly cursor: string;
  readonly reason: string;
  readonly coalesced: boolean;
  /** All rows of a snapshot. */
  readonly items: readonly ToldRow[];
  /** A change without a row is a delete. */
  readonly changes: readonly { readonly key: string; readonly row?: ToldRow | undefined }[];
}

/** One thing that a client did or saw. Plain JSON, so that it can be kept and judged again. */
export type Happening =
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "ask"; readonly call: number; readonly events: readonly AskedEvent[] }
  | {
      readonly kind: "answer";
      readonly call: number;
      readonly results: readonly { readonly eventId: string; readonly status: AnswerStatus }[];
    }
  | { readonly kind: "unanswered"; readonly call: number; readonly error: string }
  /** A file put into the spool folder while nobody may have been listening. */
  | { readonly kind: "spooled"; readonly name: string; readonly eventId: string }
  /** A file put there that is no event. */
  | { readonly kind: "planted"; readonly name: string }
  | {
      readonly kind: "open";
      readonly watcher: string;
      readonly connection: number;
      /** Empty: from the beginning. */
      readonly cursor: string;
    }
  | {
      readonly kind: "message";
      readonly watcher: string;
      readonly connection: number;
      readonly message: ToldMessage;
    }
  | { readonly kind: "closed"; readonly connection: number; readonly error: string }
  /** Bound events, as EventService told them. */
  | { readonly kind: "events"; readonly eventIds: readonly string[] }
  /** What a list said at a sequence of a stream. */
  | {
      readonly kind: "read";
      readonly streamId: string;
      readonly sequence: number;
      readonly rows: readonly ToldRow[];
    }
  /** Whether the daemon that was started last can be reached after its predecessor is gone. */
  | { readonly kind: "handover"; readonly reachable: boolean };

/** A happening, and when: milliseconds on the test process's monotonic clock. */
export type Recorded = Happening & { readonly at: number };

/** Everything that all clients did and saw, over several daemon lives, in order. */
export class History {
  readonly records: Recorded[];
  #last = 0;

  constructor(records: readonly Recorded[] = []) {
    this.records = [...records];
  }

  add(happening: Happening): void {
    this.records.push({ at: Math.round(performance.now() * 1_000) / 1_000, ...happening });
  }

  /** A number that no other call or connection of this history has. */
  number(): number {
    this.#last += 1;
    return this.#last;
  }

  /** What was recorded from that many records on. */
  since(count: number): History {
    return new History(this.records.slice(count));
  }

  of<K extends Happening["kind"]>(kind: K): Extract<Recorded, { kind: K }>[] {
    return this.records.filter((record): record is Extract<Recorded, { kind: K }> => record.kind === kind);
  }
}
