import type { Micros } from "../engine/state.js";
import { Damaged, FAULT_CODES, type FaultKind, faultKind, StoreFault, sqliteCode } from "./fault.js";

/** A fault in force, as health tells it. */
export interface StoreTrouble {
  readonly code: string;
  /** One line for a person: what it means, and what to do. */
  readonly message: string;
  readonly since: Micros;
}

/** The connection, as far as the gate needs it. */
export interface GatedConnection {
  /** Rows written since it was opened. */
  readonly written: () => number;
  /** Writes something that changes nothing. Throws what SQLite says. */
  readonly probe: () => void;
  /** Notes for the next start that the file is damaged. */
  readonly condemn: () => void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2_000;
/** After this long without a refused write nobody else will prove that the fault has gone. */
const QUIET_MS = 10_000;
/** A disk that is all but full takes a small write and refuses the next: that is one fault, not many. */
const STEADY_MS = 5_000;

const WAITING = "signals wait in memory and in the hooks' spool until it takes writes again";
const MESSAGES: Readonly<Record<FaultKind, string>> = {
  disk_full: `the database's disk is full, ${WAITING}: free some space`,
  read_only: `the database cannot be written, ${WAITING}: make its directory and files writable`,
  locked: `another program holds the database's lock, ${WAITING}: end that program`,
  io: `the disk or a limit on it refuses the database, ${WAITING}: look at the system's log and quotas`,
  corrupt:
    "the database is damaged and nothing more is written to it: restart the daemon, which sets it aside",
};

interface Fault {
  readonly kind: FaultKind;
  readonly sqlite: string;
  readonly trouble: StoreTrouble;
}

/**
 * The way of every write to the database. When SQLite has refused one, it lets one attempt through after 250 ms, then
 * after up to 2 s each, and refuses the others unasked: a lock is waited for with the whole daemon standing still, and
 * a full disk becomes no emptier by asking. The first good write ends it. A damaged database gets no more attempts.
 */
export class WriteGate {
  #fault: Fault | undefined;
  #pauseMs = 0;
  /** By the monotonic clock, like all times here but a trouble's own. */
  #opensAt = 0;
  #refusedAt = 0;
  /** The fault that was told last, and since when there has been none; undefined once its end was told too. */
  #told: { readonly fault: Fault; endedAt: number } | undefined;
  readonly #listeners = new Set<(trouble: StoreTrouble | undefined) => void>();

  constructor(
    private readonly connection: GatedConnection,
    private readonly now: () => Date,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  get trouble(): StoreTrouble | undefined {
    return this.#fault?.trouble;
  }

  /** Tells once when a fault begins or turns into another one, and once (undefined) when it has gone for 5 s. */
  onChange(listener: (trouble: StoreTrouble | undefined) => void): void {
    this.#listeners.add(listener);
  }

  /** Carries out one write transaction. Throws StoreFault if nothing of it is on disk, and what `write` throws. */
  run<T>(write: () => T): T {
    const fault = this.#fault;
    if (fault !== undefined) this.#admit(fault);
    const written = fault === undefined ? 0 : this.connection.written();
    let result: T;
    try {
      result = write();
    } catch (error) {
      throw this.#refused(error);
    }
    if (fault !== undefined) this.#prove(fault, this.connection.written() > written);
    else if (this.#told !== undefined) this.#tellEnd(this.#told.endedAt);
    return result;
  }

  /**
   * To be called now and then: while nobody has anything to write, this is what finds that a fault has gone, and tells
   * its end. `attempt` is a write transaction that writes nothing.
   */
  settle(attempt: () => void): void {
    const fault = this.#fault;
    if (fault === undefined) {
      if (this.#told !== undefined) this.#tellEnd(this.#told.endedAt);
      return;
    }
    if (fault.kind === "corrupt" || this.monotonicMs() < this.#opensAt) return;
    try {
      this.run(attempt);
    } catch (error) {
      // It was noted, and is in force still.
      if (!(error instanceof StoreFault)) throw error;
    }
  }

  /** To be told of what a read met: a damaged page found by a read must not be written beside. */
  noticed(error: unknown): void {
    if (this.#fault?.kind !== "corrupt" && faultKind(error) === "corrupt") this.#begin("corrupt", error);
  }

  #admit({ kind, sqlite }: Fault): void {
    const now = this.monotonicMs();
    const wait = kind === "corrupt" ? Number.POSITIVE_INFINITY : this.#opensAt - now;
    if (wait <= 0) return;
    this.#refusedAt = now;
    throw new StoreFault(kind, sqlite, wait);
  }

  #refused(error: unknown): unknown {
    if (error instanceof StoreFault) return error;
    // Text that was written as JSON and no longer is one: a page was damaged in a way that SQLite cannot see.
    const damaged = error instanceof SyntaxError || error instanceof Damaged;
    const kind = damaged ? "corrupt" : faultKind(error);
    if (kind === undefined) return error;
    this.#begin(kind, error);
    const wait = kind === "corrupt" ? Number.POSITIVE_INFINITY : this.#pauseMs;
    return new StoreFault(kind, sqliteCode(error), wait, { cause: error });
  }

  #begin(kind: FaultKind, error: unknown): void {
    const now = this.monotonicMs();
    this.#pauseMs = this.#pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    this.#opensAt = now + this.#pauseMs;
    this.#refusedAt = now;
    if (this.#fault?.kind === kind) return;
    if (this.#told?.fault.kind === kind) {
      this.#fault = this.#told.fault;
      return;
    }
    const since = this.now().getTime() * 1_000;
    const trouble = { code: FAULT_CODES[kind], message: MESSAGES[kind], since };
    this.#fault = { kind, sqlite: sqliteCode(error), trouble };
    this.#told = { fault: this.#fault, endedAt: now };
    if (kind === "corrupt") this.connection.condemn();
    for (const listener of this.#listeners) listener(trouble);
  }

  /** An empty transaction needs no room on the disk and proves nothing but that there is no lock. */
  #prove({ kind }: Fault, wrote: boolean): void {
    if (!wrote && kind !== "locked") {
      if (this.monotonicMs() - this.#refusedAt < QUIET_MS) return;
      try {
        this.connection.probe();
      } catch (error) {
        this.#refused(error);
        return;
      }
    }
    this.#fault = undefined;
    this.#pauseMs = 0;
    if (this.#told !== undefined) this.#told.endedAt = this.monotonicMs();
  }

  #tellEnd(endedAt: number): void {
    if (this.monotonicMs() - endedAt < STEADY_MS) return;
    this.#told = undefined;
    for (const listener of this.#listeners) listener(undefined);
  }
}
