import type { Database, Statement } from "better-sqlite3";
import { failpoint } from "../failpoint.js";
import { ActionStore } from "./action-store.js";
import { CheckpointStore } from "./checkpoint-store.js";
import { condemn, openDatabase, touch } from "./database.js";
import { EventStore } from "./event-store.js";
import { InboxStore } from "./inbox-store.js";
import { RetentionStore } from "./retention-store.js";
import { RuntimeStore } from "./runtime-store.js";
import { StateStore } from "./state-store.js";
import { TargetStore } from "./target-store.js";
import { type StoreTrouble, WriteGate } from "./write-gate.js";

/** Between two looks whether a fault has gone, in milliseconds; there are none while all is well. */
const SETTLE_MS = 500;

/** The only door to the database. */
export interface Store {
  readonly actions: ActionStore;
  readonly targets: TargetStore;
  readonly runtimes: RuntimeStore;
  readonly events: EventStore;
  readonly inbox: InboxStore;
  readonly states: StateStore;
  readonly checkpoints: CheckpointStore;
  readonly retention: RetentionStore;
  /** Where a corrupt predecessor was put aside, if there was one. */
  readonly replaced?: string | undefined;
  /** Why it takes no writes at present; undefined while it does. */
  readonly trouble: StoreTrouble | undefined;
  /** Tells once when a fault begins or turns into another one, and once (undefined) when it has gone for 5 s. */
  onTrouble(listener: (trouble: StoreTrouble | undefined) => void): void;
  /**
   * Runs `work` in one write transaction: all of it is on disk when this returns, or none. Throws StoreFault when SQLite
   * refuses; then the same work may be tried again.
   */
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Opens the store; see `openDatabase` for what it throws. */
export function openStore(path: string, now: () => Date): Store {
  const { db, replaced } = openDatabase(path, now);
  const gate = new WriteGate(
    {
      written: () => Number(db.prepare("SELECT total_changes()").pluck().get()),
      probe: () => touch(db),
      condemn: () => condemn(path),
    },
    now,
  );
  report(db, gate);
  const empty = db.transaction(() => undefined).immediate;
  let settling: NodeJS.Timeout | undefined;
  gate.onChange((trouble) => {
    clearInterval(settling);
    if (trouble !== undefined) settling = setInterval(() => gate.settle(empty), SETTLE_MS).unref();
  });
  return {
    ...repositories(db),
    ...(replaced === undefined ? {} : { replaced }),
    get trouble() {
      return gate.trouble;
    },
    onTrouble: (listener) => gate.onChange(listener),
    transaction: (work) => {
      const result = gate.run(
        db.transaction(() => {
          const made = work();
          failpoint("store.before-commit");
          return made;
        }).immediate,
      );
      failpoint("store.after-commit");
      return result;
    },
    close: () => {
      clearInterval(settling);
      db.close();
    },
  };
}

function repositories(db: Database) {
  return {
    actions: new ActionStore(db),
    targets: new TargetStore(db),
    runtimes: new RuntimeStore(db),
    events: new EventStore(db),
    inbox: new InboxStore(db),
    states: new StateStore(db),
    checkpoints: new CheckpointStore(db),
    retention: new RetentionStore(db),
  };
}

/** Has the gate hear of what every statement prepared from now on meets, reads among them. */
function report(db: Database, gate: WriteGate): void {
  const reporting = <F extends (...values: never[]) => unknown>(call: F): F =>
    new Proxy(call, {
      apply: (target, self, values): unknown => {
        try {
          return Reflect.apply(target, self, values);
        } catch (error) {
          gate.noticed(error);
          throw error;
        }
      },
    });
  db.prepare = new Proxy(db.prepare, {
    apply: (target, self, values): Statement => {
      const statement: Statement = Reflect.apply(target, self, values);
      statement.run = reporting(statement.run);
      statement.get = reporting(statement.get);
      statement.all = reporting(statement.all);
      return statement;
    },
  });
}
