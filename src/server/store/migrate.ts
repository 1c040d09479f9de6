import type { Database } from "better-sqlite3";
import { initial } from "./migrations/0001-initial.js";
import { retention } from "./migrations/0002-retention.js";
import { actions } from "./migrations/0003-actions.js";

export interface Migration {
  /** 1, 2, 3 … without gaps; kept in `PRAGMA user_version`. */
  readonly version: number;
  readonly name: string;
  readonly up: string;
  readonly down: string;
}

export const MIGRATIONS: readonly Migration[] = [initial, retention, actions];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** The database was written by a newer version; it is never altered. */
export class NewerSchemaError extends Error {
  override readonly name = "NewerSchemaError";
  constructor(readonly found: number) {
    super(
      `the database has schema ${found}, this version knows up to ${SCHEMA_VERSION}: use the newer agtmux, or set AGTMUX_STATE_DIR to another directory`,
    );
  }
}

export function schemaVersion(db: Database): number {
  return Number(db.pragma("user_version", { simple: true }));
}

/** The schema's version. Throws NewerSchemaError. */
export function refuseNewer(db: Database): number {
  const found = schemaVersion(db);
  if (found > SCHEMA_VERSION) throw new NewerSchemaError(found);
  return found;
}

/**
 * Brings a database to `target` (the newest by default), up or down, each step in one transaction with its
 * version, so that a crash leaves one version or the next and nothing between. Throws NewerSchemaError.
 */
export function migrate(db: Database, target: number = SCHEMA_VERSION): void {
  const found = refuseNewer(db);
  for (const migration of MIGRATIONS) {
    if (migration.version > found && migration.version <= target) step(db, migration.up, migration.version);
  }
  for (const migration of [...MIGRATIONS].reverse()) {
    if (migration.version <= found && migration.version > target)
      step(db, migration.down, migration.version - 1);
  }
}

function step(db: Database, sql: string, version: number): void {
  db.transaction(() => {
    db.exec(sql);
    db.pragma(`user_version = ${version}`);
  }).exclusive();
}
