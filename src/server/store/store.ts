import type { Database } from "better-sqlite3";
import { failpoint } from "../failpoint.js";
import { CheckpointStore } from "./checkpoint-store.js";
import { openDatabase } from "./database.js";
import { EventStore } from "./event-store.js";
import { InboxStore } from "./inbox-store.js";
import { RetentionStore } from "./retention-store.js";
import { RuntimeStore } from "./runtime-store.js";
import { StateStore } from "./state-store.js";
import { TargetStore } from "./target-store.js";

/** The only door to the database. */
export interface Store {
  readonly targets: TargetStore;
  readonly runtimes: RuntimeStore;
  readonly events: EventStore;
  readonly inbox: InboxStore;
  readonly states: StateStore;
  readonly checkpoints: CheckpointStore;
  readonly retention: RetentionStore;
  /** Where a corrupt predecessor was put aside, if there was one. */
  readonly replaced?: string | undefined;
  /** Runs `work` in one write transaction: all of it is on disk when this returns, or none. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Opens the store; see `openDatabase` for what it throws. */
export function openStore(path: string, now: () => Date): Store {
  const { db, replaced } = openDatabase(path, now);
  return { ...repositories(db), ...(replaced === undefined ? {} : { replaced }) };
}

function repositories(db: Database): Omit<Store, "replaced"> {
  return {
    targets: new TargetStore(db),
    runtimes: new RuntimeStore(db),
    events: new EventStore(db),
    inbox: new InboxStore(db),
    states: new StateStore(db),
    checkpoints: new CheckpointStore(db),
    retention: new RetentionStore(db),
    transaction: (work) => {
      const result = db
        .transaction(() => {
          const made = work();
          failpoint("store.before-commit");
          return made;
        })
        .immediate();
      failpoint("store.after-commit");
      return result;
    },
    close: () => {
      db.close();
    },
  };
}
