import SqliteDatabase from "better-sqlite3";
import { beforeEach, describe, expect, it } from "vitest";
import { faultKind, StoreFault } from "../../src/server/store/fault.js";
import { WriteGate } from "../../src/server/store/write-gate.js";

let ms: number;
let rows: number;
let full: boolean;
let condemned: number;
let tried: number;
let told: (string | undefined)[];
let gate: WriteGate;

beforeEach(() => {
  ms = 1_000;
  rows = 0;
  full = false;
  condemned = 0;
  tried = 0;
  told = [];
  const probe = (): void => {
    if (full) throw sqlite("SQLITE_FULL");
  };
  const connection = { written: () => rows, probe, condemn: () => void condemned++ };
  gate = new WriteGate(
    connection,
    () => new Date(ms),
    () => ms,
  );
  gate.onChange((trouble) => told.push(trouble?.code));
});

const sqlite = (code: string): Error => new SqliteDatabase.SqliteError("refused", code);

/** One write, refused with `code` or taken; returns the fault, if it was one. */
function write(code?: string): StoreFault | undefined {
  try {
    gate.run(() => {
      tried++;
      if (code !== undefined) throw sqlite(code);
      rows++;
    });
    return undefined;
  } catch (error) {
    if (error instanceof StoreFault) return error;
    throw error;
  }
}

describe("what SQLite says", () => {
  it.each([
    ["SQLITE_FULL", "disk_full"],
    ["SQLITE_IOERR_SHMSIZE", "disk_full"],
    ["SQLITE_IOERR", "io"],
    ["SQLITE_IOERR_WRITE", "io"],
    ["SQLITE_IOERR_FSYNC", "io"],
    ["SQLITE_CANTOPEN", "io"],
    ["SQLITE_CANTOPEN_ISDIR", "io"],
    ["SQLITE_READONLY", "read_only"],
    ["SQLITE_READONLY_DBMOVED", "read_only"],
    ["SQLITE_READONLY_DIRECTORY", "read_only"],
    ["SQLITE_BUSY", "locked"],
    ["SQLITE_BUSY_SNAPSHOT", "locked"],
    ["SQLITE_PROTOCOL", "locked"],
    ["SQLITE_CORRUPT", "corrupt"],
    ["SQLITE_CORRUPT_INDEX", "corrupt"],
    ["SQLITE_NOTADB", "corrupt"],
    ["SQLITE_ERROR", undefined],
    ["SQLITE_CONSTRAINT_UNIQUE", undefined],
    ["SQLITE_MISUSE", undefined],
  ])("TC-053 %s is a fault of the kind %s", (code, kind) => {
    expect(faultKind(sqlite(code))).toBe(kind);
  });
});

describe("TC-052 a store that refuses", () => {
  it("is asked again after 250 ms, 500 ms, 1 s, and then every 2 s; nobody else is let through", () => {
    const pauses: (number | undefined)[] = [];
    for (let attempt = 0; attempt < 6; attempt++) {
      const pause = write("SQLITE_BUSY")?.retryInMs ?? 0;
      pauses.push(pause);
      ms += pause - 1;
      expect(write()).toMatchObject({ kind: "locked", retryInMs: 1 });
      ms += 1;
    }
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 2_000, 2_000]);
    expect(tried).toBe(6);
    expect(write()).toBeUndefined();
    expect(write("SQLITE_BUSY")?.retryInMs).toBe(250);
  });

  it("is told of once when it begins, when it turns into another fault, and when it has gone for 5 s", () => {
    for (const code of ["SQLITE_FULL", "SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC"]) {
      write(code);
      write(code);
      ms += 2_000;
    }
    expect(gate.trouble).toMatchObject({ code: "store_io", since: 5_000_000 });
    write();
    expect(gate.trouble).toBeUndefined();
    ms += 4_999;
    write();
    expect(told).toEqual(["disk_full", "store_io"]);
    ms += 1;
    write();
    write();
    expect(told).toEqual(["disk_full", "store_io", undefined]);
  });

  it("that takes a small write now and then has one fault, not many", () => {
    for (let round = 0; round < 20; round++) {
      write("SQLITE_FULL");
      expect(gate.trouble).toMatchObject({ code: "disk_full", since: 1_000_000 });
      ms += 250;
      write();
      expect(gate.trouble).toBeUndefined();
      ms += 1_000;
    }
    ms += 5_000;
    write();
    write("SQLITE_FULL");
    expect(told).toEqual(["disk_full", undefined, "disk_full"]);
    expect(gate.trouble?.since).toBe(ms * 1_000);
  });

  it("is well again by a write that is on disk: a transaction that wrote nothing proves only that no lock is held", () => {
    write("SQLITE_FULL");
    ms += 250;
    gate.run(() => undefined);
    expect(gate.trouble?.code).toBe("disk_full");
    write();
    write("SQLITE_BUSY");
    ms += 250;
    gate.run(() => undefined);
    expect(gate.trouble).toBeUndefined();
  });

  it("is tried with a write that changes nothing once nobody has wanted to write for 10 s", () => {
    write("SQLITE_FULL");
    full = true;
    ms += 10_000;
    gate.run(() => undefined);
    expect(gate.trouble?.code).toBe("disk_full");
    full = false;
    ms += 9_999;
    gate.run(() => undefined);
    expect(gate.trouble?.code).toBe("disk_full");
    ms += 1;
    gate.run(() => undefined);
    expect(gate.trouble).toBeUndefined();
  });

  it.each([
    ["SQLITE_BUSY", 250],
    ["SQLITE_FULL", 10_000],
  ])(
    "with %s and nobody who wants to write is found well %i ms later, and its end is told 5 s after",
    (code, wait) => {
      const attempts: number[] = [];
      const settle = (): void => gate.settle(() => void attempts.push(ms));
      settle();
      write(code);
      const began = ms;
      while (gate.trouble !== undefined) {
        ms += 50;
        settle();
      }
      expect(ms - began).toBe(wait);
      expect(attempts[0]).toBe(began + 250);
      ms += 4_999;
      settle();
      expect(told).toHaveLength(1);
      ms += 1;
      settle();
      settle();
      expect(told).toEqual([expect.any(String), undefined]);
      expect(attempts.at(-1)).toBe(began + wait);
    },
  );

  it("stays a fault while the attempts fail that are made for nobody, and throws none of it", () => {
    write("SQLITE_BUSY");
    const began = ms;
    const attempts: number[] = [];
    while (ms < began + 5_000) {
      ms += 50;
      gate.settle(() => {
        attempts.push(ms - began);
        throw sqlite("SQLITE_BUSY");
      });
    }
    expect(attempts).toEqual([250, 750, 1_750, 3_750]);
    expect([gate.trouble?.code, told]).toEqual(["store_locked", ["store_locked"]]);
    const defect = (): void => {
      throw new Error("a defect");
    };
    ms += 2_000;
    expect(() => gate.settle(defect)).toThrow("a defect");
  });

  it("because it is damaged is never written to again, and is condemned for the next start", () => {
    expect(write("SQLITE_CORRUPT")).toMatchObject({ kind: "corrupt", retryInMs: Number.POSITIVE_INFINITY });
    ms += 3_600_000;
    expect(write()).toMatchObject({ kind: "corrupt" });
    gate.settle(() => void tried++);
    expect([tried, condemned, told]).toEqual([1, 1, ["store_corrupt"]]);
  });

  it("because a read found it damaged is one too; whatever else a read meets is the reader's", () => {
    gate.noticed(sqlite("SQLITE_BUSY"));
    gate.noticed(sqlite("SQLITE_IOERR_READ"));
    gate.noticed(new Error("a defect"));
    expect(write()).toBeUndefined();
    gate.noticed(sqlite("SQLITE_CORRUPT_VTAB"));
    gate.noticed(sqlite("SQLITE_CORRUPT"));
    expect(write()).toMatchObject({ kind: "corrupt" });
    expect([condemned, told]).toEqual([1, ["store_corrupt"]]);
  });

  it("because of what was written is no fault: a broken constraint is thrown as it is and stops nobody", () => {
    expect(() => write("SQLITE_CONSTRAINT_UNIQUE")).toThrow(SqliteDatabase.SqliteError);
    expect(write()).toBeUndefined();
    expect(told).toEqual([]);
  });
});
