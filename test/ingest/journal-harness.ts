import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase, { type Database } from "better-sqlite3";
import type { AnyAdapter } from "../../src/server/adapters/contract.js";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { DEFAULTS } from "../../src/server/config.js";
import { runtimeId } from "../../src/server/engine/identity.js";
import type { Micros, Status } from "../../src/server/engine/state.js";
import { stateHash } from "../../src/server/engine/state-hash.js";
import { Journal, type Outcome } from "../../src/server/ingest/journal.js";
import type { LiveRuntime } from "../../src/server/ingest/live-runtime.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import type { RuntimeRecord } from "../../src/server/store/runtime-store.js";
import { openStore, type Store } from "../../src/server/store/store.js";

export const START: Micros = 1_700_000_000_000_000;

/** A database file in a folder of its own, and the journal of one daemon life after the other over it. */
export class JournalLab {
  readonly directory = mkdtempSync(join(tmpdir(), "agtmux-journal-"));
  readonly path = join(this.directory, "agtmux.db");
  /** Targets that have shown their topology in this life. */
  readonly seen = new Set(["host"]);
  store: Store;
  journal: Journal;
  #now = START;

  constructor(
    private readonly adapter?: AnyAdapter | undefined,
    private readonly checkpointEvery = 3,
  ) {
    this.store = openStore(this.path, () => new Date(0));
    this.store.targets.insert({
      targetId: "host",
      kind: "local",
      sshTarget: "",
      tmuxSocket: "",
      createdAt: START,
    });
    this.journal = this.#begin();
  }

  /** Ends this daemon life and begins the next over the same file. */
  restart(): void {
    this.store.close();
    this.store = openStore(this.path, () => new Date(0));
    this.journal = this.#begin();
  }

  close(): void {
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A connection of its own, for looking at what is on disk. */
  connect(): Database {
    return new SqliteDatabase(this.path, { readonly: true });
  }

  /** Changes what is on disk behind the journal's back. */
  write(sql: string): void {
    const db = new SqliteDatabase(this.path);
    db.exec(sql);
    db.close();
  }

  /** Takes events in one commit. */
  accept(events: readonly PreparedEvent[], ingestedAt: Micros = this.#now): Outcome[] {
    return this.journal.transaction(() => events.map((event) => this.journal.accept(event, ingestedAt)));
  }

  retryInbox(now: Micros): number {
    return this.journal.transaction(() => this.journal.retryInbox(now));
  }

  open(record: RuntimeRecord, pids: readonly number[] = [record.agentPid]): void {
    this.journal.transaction(() => this.journal.open(record, pids));
  }

  end(id: string, reason = "exited"): void {
    this.journal.transaction(() => this.journal.end(id, { at: this.#now, reason }));
  }

  runtime(id: string): LiveRuntime {
    const found = this.journal.runtime(id);
    if (found === undefined) throw new Error(`no active runtime ${id}`);
    return found;
  }

  status(id: string): Status {
    return this.runtime(id).fold.status;
  }

  /** Hash of the states that the journal holds in memory. */
  hash(): string {
    const runtimes = [...this.journal.runtimes()];
    return stateHash(new Map(runtimes.map(({ record, fold }) => [record.runtimeId, fold.status])));
  }

  #begin(): Journal {
    const registry = new AdapterRegistry();
    const { adapter } = this;
    const settings = { ...DEFAULTS, checkpointEvery: this.checkpointEvery };
    const find = (type: string): AnyAdapter | undefined => adapter ?? registry.find(type);
    const local = (): readonly string[] => ["host"];
    const journal = new Journal(this.store, find, settings, (target) => this.seen.has(target), local);
    journal.load(this.#now);
    return journal;
  }
}

export interface Tenant {
  readonly pane?: string;
  readonly epoch?: number;
  readonly pid?: number;
  readonly session?: string;
  readonly cwd?: string;
  readonly agentType?: string;
  readonly startedAt?: Micros;
}

/** A runtime's row as the tracker would write it. */
export function runtimeRecord(tenant: Tenant = {}): RuntimeRecord {
  const { pane = "%1", epoch = 1, pid = 4242, session = "", cwd = "/w", startedAt = START } = tenant;
  const agentType = tenant.agentType ?? "claude";
  const key = { targetId: "host", bootId: "77:1700000000", paneId: pane, paneEpoch: epoch, agentType };
  const startedAtNs = BigInt(startedAt) * 1_000n;
  return {
    ...key,
    runtimeId: runtimeId({ ...key, startedAtNs }),
    hostBootId: "boot",
    agentPid: pid,
    agentStartRaw: String(pid * 10),
    startedAtNs,
    agentSessionId: session,
    panePid: 4000,
    session: "work",
    windowId: "@1",
    cwd,
    createdAt: START,
  };
}

let made = 0;

/** A prepared hook event in the pane %1, unless it says otherwise. */
export function prepared(overrides: Partial<PreparedEvent> = {}): PreparedEvent {
  made += 1;
  const eventId = overrides.eventId ?? `00000000-0000-4000-8000-${String(made).padStart(12, "0")}`;
  return {
    eventType: "UserPromptSubmit",
    agentType: "claude",
    source: "hook",
    channel: "",
    dedupeKey: eventId,
    sourceEventId: "",
    eventTime: START + made,
    resolution: 1,
    spooled: false,
    hints: { agentType: "claude", targetIds: ["host"], pane: { paneId: "%1" }, parentPids: [] },
    transition: { kind: "prompt" },
    ...overrides,
    eventId,
  };
}
