import pino from "pino";
import { DEFAULTS } from "../../src/server/config.js";
import type { Micros, Status } from "../../src/server/engine/state.js";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import type { Journal, Outcome } from "../../src/server/ingest/journal.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import { Reconciler } from "../../src/server/reconciler.js";
import { JournalLab, prepared, runtimeRecord, START } from "../ingest/journal-harness.js";

export const SECOND = 1_000_000;
export const HOUR = 3_600 * SECOND;

/** What a reconciler may do with the journal. Anything else it asks for fails the test. */
const ALLOWED: readonly (string | symbol)[] = ["runtimes", "hasPending", "transaction", "retryInbox"];

function readerOf(journal: Journal): Journal {
  return new Proxy(journal, {
    get(target, name) {
      if (!ALLOWED.includes(name)) throw new Error(`the reconciler used journal.${String(name)}`);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A group commit that notes what it was given, and can be made to refuse it. */
class NotedCommit extends GroupCommit {
  readonly given: PreparedEvent[] = [];
  refuses = false;

  override submit(events: readonly PreparedEvent[]): Promise<Outcome[]> {
    if (this.refuses) return Promise.reject(new Error("the disk is full"));
    this.given.push(...events);
    return super.submit(events);
  }
}

/** A reconciler over a real journal, with a clock and an observer that the test holds in its hands. */
export class ReconcilerLab {
  readonly journals = new JournalLab(undefined, 1_000);
  readonly commit: NotedCommit;
  readonly reconciler: Reconciler;
  /** Observations under way, oldest first. */
  readonly observations: PromiseWithResolvers<void>[] = [];
  readonly logged: string[] = [];
  now: Micros = START;

  constructor() {
    const { journal } = this.journals;
    this.commit = new NotedCommit(journal, () => this.now);
    this.reconciler = new Reconciler(
      readerOf(journal),
      this.commit,
      () => this.now,
      DEFAULTS,
      () => {
        const observation = Promise.withResolvers<void>();
        this.observations.push(observation);
        return observation.promise;
      },
      pino({ level: "trace" }, { write: (line) => void this.logged.push(line) }),
    );
  }

  /** Opens a runtime in the pane `%n`, started now; returns its id. */
  runtime(n: number): string {
    const record = runtimeRecord({ pane: `%${n}`, pid: 1_000 + n, startedAt: this.now });
    this.journals.open(record);
    return record.runtimeId;
  }

  /** A hook's event of that runtime, at the clock's time unless it says otherwise; accepted at once. */
  say(runtimeId: string, kind: string, more: Partial<PreparedEvent> = {}): PreparedEvent {
    const event = this.event(runtimeId, kind, more);
    this.journals.accept([event], this.now);
    return event;
  }

  event(runtimeId: string, kind: string, more: Partial<PreparedEvent> = {}): PreparedEvent {
    const attributes = kind === "stop" ? { agents: 0, shells: 0 } : {};
    return prepared({
      eventTime: this.now,
      hints: { agentType: "claude", targetIds: ["host"], runtimeId, parentPids: [] },
      transition: { kind, attributes },
      ...more,
    });
  }

  /** Ticks and commits what came of it; returns the judgements of this tick as `runtimeId event_type`. */
  tick(): string[] {
    const before = this.commit.given.length;
    this.reconciler.tick();
    this.commit.flush();
    return this.commit.given
      .slice(before)
      .map(({ hints, eventType }) => `${hints.runtimeId ?? "?"} ${eventType}`);
  }

  /** The newest observation ends, and the reconciler has heard of it. */
  async observed(): Promise<void> {
    this.observations.at(-1)?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Ticks every half second as the daemon does, up to `until`; returns all judgements. */
  run(until: Micros): string[] {
    const judged: string[] = [];
    while (this.now < until) {
      this.now = Math.min(until, this.now + SECOND / 2);
      judged.push(...this.tick());
    }
    return judged;
  }

  status(runtimeId: string): Status {
    return this.journals.status(runtimeId);
  }

  /** Every row of every table. */
  everything(): string {
    const db = this.journals.connect();
    const tables = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .pluck()
      .all();
    const rows = tables.map((table) => [table, db.prepare(`SELECT * FROM "${String(table)}"`).all()]);
    db.close();
    return JSON.stringify(rows);
  }

  close(): void {
    this.commit.flush();
    this.journals.close();
  }
}
