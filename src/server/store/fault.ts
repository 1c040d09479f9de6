import SqliteDatabase from "better-sqlite3";

/** Why SQLite refuses, as far as the daemon can do something about it or say who can. */
export type FaultKind = "disk_full" | "read_only" | "locked" | "io" | "corrupt";

/** The word for each kind in health and in the details of an error. */
export const FAULT_CODES: Readonly<Record<FaultKind, string>> = {
  disk_full: "disk_full",
  read_only: "read_only",
  locked: "store_locked",
  io: "store_io",
  corrupt: "store_corrupt",
};

/** By SQLite's primary code, or by the whole extended one where that says more. */
const KINDS: Readonly<Record<string, FaultKind>> = {
  FULL: "disk_full",
  // There was no room for the index of the write-ahead log.
  IOERR_SHMSIZE: "disk_full",
  READONLY: "read_only",
  PERM: "read_only",
  BUSY: "locked",
  LOCKED: "locked",
  PROTOCOL: "locked",
  IOERR: "io",
  CANTOPEN: "io",
  CORRUPT: "corrupt",
  NOTADB: "corrupt",
};

/** Rows that contradict one another: a page was damaged in a way that SQLite cannot see. */
export class Damaged extends Error {
  override readonly name = "Damaged";
}

/** What SQLite calls an error; '' for one that is not SQLite's. */
export function sqliteCode(error: unknown): string {
  return error instanceof SqliteDatabase.SqliteError ? error.code : "";
}

/** Undefined for anything that is no fault of the disk or the file: a broken constraint, wrong SQL, a defect. */
export function faultKind(error: unknown): FaultKind | undefined {
  if (error instanceof StoreFault) return error.kind;
  const [primary = "", ...rest] = sqliteCode(error)
    .replace(/^SQLITE_/u, "")
    .split("_");
  return KINDS[[primary, ...rest].join("_")] ?? KINDS[primary];
}

/** The store took nothing of a write: none of it is on disk, and it may be tried again. */
export class StoreFault extends Error {
  override readonly name = "StoreFault";

  constructor(
    readonly kind: FaultKind,
    /** SQLite's code, `SQLITE_…`. */
    readonly sqlite: string,
    /** When the store lets the next attempt through, in milliseconds from now; infinite if never. */
    readonly retryInMs: number,
    options?: ErrorOptions,
  ) {
    super(`the store takes no writes: ${kind} (${sqlite})`, options);
  }
}
