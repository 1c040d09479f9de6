import type { Edit, Mutant } from "../failpoint/mutant.js";
import { EXACTLY_ONCE } from "../validate/exactly-once.js";
import { HANDOVER } from "../validate/handover.js";
import { VISIBLE } from "../validate/visible.js";
import { WATCH } from "../validate/watch.js";
import { handover, killedUnderLoad, resumedAfter, type ShortPlay, spoolTakenAgain } from "./short-plays.js";

/** A scenario, the settings it needs, and the defects that it must show. */
export interface Trial {
  readonly scenario: string;
  readonly play: ShortPlay;
  /** Edits that are no defects: limits that are reached within seconds. */
  readonly settings: readonly Edit[];
  readonly mutants: readonly (Mutant & { readonly promise: string })[];
}

export const TRIALS: readonly Trial[] = [
  {
    scenario: "killed in a transaction under load",
    play: killedUnderLoad,
    settings: [],
    mutants: [
      {
        name: "changes are published before their commit",
        promise: VISIBLE.state,
        edits: [
          {
            file: "store/store.ts",
            find: "      const result = gate.run(\n",
            replace: `      if (!db.inTransaction) {
                db.exec("BEGIN IMMEDIATE");
                setTimeout(() => db.exec("COMMIT"), 60_000);
              }
              const result = gate.run(\n`,
          },
        ],
      },
      {
        name: "an ingest call is answered before its commit",
        promise: EXACTLY_ONCE.durable,
        edits: [
          {
            file: "ingest/group-commit.ts",
            find: "    this.#scheduled ??= setImmediate(() => {",
            replace: `    const setImmediate = (then: () => void) => setTimeout(then, 50) as never;
              this.#scheduled ??= setImmediate(() => {`,
          },
          {
            file: "ingest/group-commit.ts",
            find: "this.#waiting.push({ events, resolve, refused: reject });",
            replace: `this.#waiting.push({ events, resolve, refused: reject });
              resolve(events.map(() => ({ kind: "accepted", runtimeId: "" })));`,
          },
        ],
      },
      {
        name: "the dedupe key is forgotten",
        promise: EXACTLY_ONCE.once,
        edits: [
          {
            file: "store/event-store.ts",
            find: "      event.dedupeKey,\n",
            replace: "      event.eventId,\n",
          },
        ],
      },
    ],
  },
  {
    scenario: "a watcher comes back with its cursor",
    play: resumedAfter(3),
    settings: [],
    mutants: [
      {
        name: "a resumed watcher misses one change",
        promise: WATCH.gapless,
        edits: [
          {
            file: "watch/hub.ts",
            find: "stream.continueFrom(from.sequence);",
            replace: "stream.continueFrom(from.sequence + 1);",
          },
        ],
      },
      {
        name: "a resumed watcher gets one change again",
        promise: WATCH.unique,
        edits: [
          {
            file: "watch/hub.ts",
            find: "stream.continueFrom(from.sequence);",
            replace: "stream.continueFrom(from.sequence - 1);",
          },
        ],
      },
    ],
  },
  {
    scenario: "a watcher comes back when the log no longer reaches to its cursor",
    play: resumedAfter(12),
    settings: [{ file: "config.ts", find: "watchLogEntries: 100_000", replace: "watchLogEntries: 6" }],
    mutants: [
      {
        name: "what fell out of the log is dropped without a reset",
        promise: WATCH.gapless,
        edits: [
          {
            file: "watch/cursor.ts",
            find: `return sequence < reach ? { kind: "expired", reason: "cursor_expired" } : { kind: "live", sequence };`,
            replace: `return { kind: "live", sequence: Math.max(sequence, reach) };`,
          },
        ],
      },
    ],
  },
  {
    scenario: "the daemon that takes a spool is killed",
    play: spoolTakenAgain("store.before-commit=kill@4"),
    settings: [],
    mutants: [
      {
        name: "a spool file is removed before its commit",
        promise: EXACTLY_ONCE.spool,
        edits: [
          {
            file: "ingest/spool-feed.ts",
            find: "await this.ingest(file.envelopes, file.mtimeMicros);",
            replace: "await removeSpooled(file.path); await this.ingest(file.envelopes, file.mtimeMicros);",
          },
        ],
      },
    ],
  },
  {
    scenario: "a daemon drains while its successor starts",
    play: handover,
    settings: [],
    mutants: [
      {
        // The lock, the order of closing and a look at the inode each prevent this alone: all three are taken away.
        name: "the socket is removed after a successor has bound its own",
        promise: HANDOVER,
        edits: [
          {
            file: "daemon.ts",
            find: `log.info("stopping");`,
            replace: `log.info("stopping"); lock.release();`,
          },
          { file: "api/listener.ts", find: "      file.remove();\n", replace: "" },
          {
            file: "api/listener.ts",
            find: "await Promise.all([dual.close(drainMs), file.closed()]);",
            replace: "await Promise.all([dual.close(drainMs), file.closed()]); file.remove();",
          },
          {
            file: "api/socket-file.ts",
            find: "if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path);",
            replace: "unlinkSync(path);",
          },
        ],
      },
    ],
  },
];
