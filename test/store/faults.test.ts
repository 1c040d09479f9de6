import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import SqliteDatabase, { type Database } from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { DEFAULTS } from "../../src/server/config.js";
import { Journal } from "../../src/server/ingest/journal.js";
import { MigrationFailed, openDatabase } from "../../src/server/store/database.js";
import { StoreFault } from "../../src/server/store/fault.js";
import * as migrations from "../../src/server/store/migrate.js";
import { NewerSchemaError } from "../../src/server/store/migrate.js";
import { openStore, type Store } from "../../src/server/store/store.js";
import { prepared, runtimeRecord, START } from "../ingest/journal-harness.js";
import { holds } from "../support/property.js";
import { damage, fill, useConnections } from "./captured-connections.js";
import { useDatabaseFile } from "./database-file.js";

vi.mock("../../src/server/store/migrate.js", { spy: true });

const actual = () =>
  vi.importActual<typeof import("../../src/server/store/migrate.js")>("../../src/server/store/migrate.js");

const file = useDatabaseFile();
const connection = useConnections();
const now = (): Date => new Date("2026-11-22T10:00:00.123Z");
const HOST = { targetId: "host", kind: "local", sshTarget: "", tmuxSocket: "", createdAt: START } as const;

let stores: Store[];
beforeEach(() => {
  stores = [];
});
afterEach(() => {
  for (const store of stores) store.close();
  vi.mocked(migrations.migrate).mockReset();
  vi.mocked(migrations.schemaVersion).mockReset();
});

function opened(path = file().path): Store {
  const store = openStore(path, now);
  stores.push(store);
  return store;
}

/** What `work` is refused with. */
function refusal(work: () => void): StoreFault {
  try {
    work();
  } catch (error) {
    if (error instanceof StoreFault) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

function journalOf(store: Store): Journal {
  const registry = new AdapterRegistry();
  const local = (): readonly string[] => ["host"];
  return new Journal(
    store,
    (type) => registry.find(type),
    DEFAULTS,
    () => true,
    local,
  );
}

/** A database with an active runtime, its state and its events. */
function used(path = file().path): void {
  const store = openStore(path, now);
  store.transaction(() => store.targets.insert(HOST));
  const journal = journalOf(store);
  journal.transaction(() => journal.open(runtimeRecord(), [4242]));
  const events = ["prompt", "permission", "activity"].map((kind) => prepared({ transition: { kind } }));
  journal.transaction(() => events.map((event) => journal.accept(event, START + 1_000_000)));
  const stray = prepared({ hints: { agentType: "claude", targetIds: ["host"], parentPids: [7] } });
  journal.transaction(() => journal.accept(stray, START + 1_000_000));
  store.close();
}

describe("a disk that is full", () => {
  /** More than fits into what is free in the pages that are there. */
  const big = (store: Store) => () => {
    for (let n = 0; n < 50; n++) store.targets.insert({ ...HOST, targetId: `t${n}${"x".repeat(1_000)}` });
  };

  it("refuses a transaction as a whole, is read all the while, and takes it when there is room again", async () => {
    const store = opened();
    store.transaction(() => store.targets.insert(HOST));
    const disk = fill(connection());
    const told: (string | undefined)[] = [];
    store.onTrouble((trouble) => told.push(trouble?.code));
    expect(refusal(() => store.transaction(big(store)))).toMatchObject({
      kind: "disk_full",
      sqlite: "SQLITE_FULL",
    });
    expect(store.targets.list()).toEqual([HOST]);
    expect(store.trouble).toMatchObject({ code: "disk_full", since: now().getTime() * 1_000 });
    disk.free();
    await vi.waitFor(() => store.transaction(big(store)), { timeout: 5_000, interval: 50 });
    expect(store.targets.list()).toHaveLength(51);
    expect(store.trouble).toBeUndefined();
    expect(told).toEqual(["disk_full"]);
    expect(file().connect().pragma("integrity_check", { simple: true })).toBe("ok");
  });
});

describe("a lock that another program holds", () => {
  it("TC-052 holds up a write for a quarter of a second, not the 5 s of a start, and reads not at all", () => {
    const store = opened();
    const other = file().connect();
    other.exec("BEGIN IMMEDIATE");
    const began = performance.now();
    const fault = refusal(() => store.transaction(() => store.targets.insert(HOST)));
    expect(performance.now() - began).toBeGreaterThan(200);
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(fault).toMatchObject({ kind: "locked", sqlite: "SQLITE_BUSY", retryInMs: 250 });
    const then = performance.now();
    expect(store.targets.list()).toEqual([]);
    expect(refusal(() => store.transaction(() => undefined)).kind).toBe("locked");
    expect(performance.now() - then).toBeLessThan(100);
    other.exec("ROLLBACK");
  });
});

describe("a database that is damaged while it is open", () => {
  it("is written to no more, whoever finds it, and is set aside at the next start", () => {
    used();
    const store = opened();
    damage(connection());
    expect(() => store.runtimes.active()).toThrow(/malformed/u);
    expect(store.trouble).toMatchObject({ code: "store_corrupt" });
    expect(refusal(() => store.transaction(() => store.targets.insert(HOST))).kind).toBe("corrupt");
    store.close();
    const next = opened();
    expect(next.replaced).toMatch(/agtmux\.db\.corrupt-2026-11-22T10-00-00-123Z$/u);
    expect(existsSync(next.replaced ?? "")).toBe(true);
    expect(next.trouble).toBeUndefined();
    next.transaction(() => next.targets.insert(HOST));
    next.close();
    // Once is enough: the new one is not condemned with it.
    expect(opened().replaced).toBeUndefined();
    expect(readdirSync(file().directory).filter((name) => name.includes("damaged"))).toEqual([]);
  });

  it("in a way that only its reader sees is set aside at the second start, not met by every one", () => {
    used();
    const db = file().connect();
    db.exec("UPDATE events SET transition = substr(transition, 2)");
    db.close();
    const store = opened();
    expect(store.replaced).toBeUndefined();
    expect(refusal(() => journalOf(store).load(START)).kind).toBe("corrupt");
    store.close();
    const next = opened();
    expect(next.replaced).toBeDefined();
    expect(() => journalOf(next).load(START)).not.toThrow();
  });

  it("and then replaced by a person is not set aside for what was there before", () => {
    used();
    const copy = join(file().directory, "backup.db");
    used(copy);
    const store = opened();
    damage(connection());
    refusal(() => store.transaction(() => store.runtimes.active()));
    store.close();
    renameSync(copy, file().path);
    expect(opened().replaced).toBeUndefined();
  });
});

describe("at a start", () => {
  it.each([
    ["on this database", (db: Database) => !db.memory],
    ["on every one", () => true],
  ])(
    "a migration that fails %s is a defect: the database is left as it is, for a better version",
    async (_, fails) => {
      used();
      const before = readFileSync(file().path);
      const { migrate } = await actual();
      vi.mocked(migrations.migrate).mockImplementation((db: Database, target?: number) => {
        if (fails(db)) db.exec("ALTER TABLE nowhere ADD COLUMN gone TEXT");
        migrate(db, target);
      });
      expect(() => openDatabase(file().path, now)).toThrow(MigrationFailed);
      expect(() => openDatabase(file().path, now)).toThrow(/no such table.*defect/u);
      expect(readFileSync(file().path).equals(before)).toBe(true);
      expect(readdirSync(file().directory)).toEqual(["agtmux.db"]);
      vi.mocked(migrations.migrate).mockReset();
      expect(opened().replaced).toBeUndefined();
    },
  );

  it.each(["0", "1", "-2147483648"])(
    "a version number damaged to %s is damage, not a failed migration",
    (version) => {
      used();
      const db = file().connect();
      db.pragma(`user_version = ${version}`);
      db.close();
      expect(opened().replaced).toBeDefined();
    },
  );

  it("what a person added to the database is no damage", () => {
    used();
    const db = file().connect();
    db.exec("CREATE TABLE notes (text TEXT); CREATE INDEX own ON events (event_type)");
    db.close();
    expect(opened().replaced).toBeUndefined();
  });

  it("a database that takes no writes is an error at once, and nothing is set aside", async () => {
    used();
    const before = readFileSync(file().path);
    const { schemaVersion } = await actual();
    vi.mocked(migrations.schemaVersion).mockImplementation((db: Database) => {
      if (!db.memory) db.pragma("query_only = ON");
      return schemaVersion(db);
    });
    expect(() => openDatabase(file().path, now)).toThrow(SqliteDatabase.SqliteError);
    expect(readdirSync(file().directory)).toEqual(["agtmux.db"]);
    expect(readFileSync(file().path).equals(before)).toBe(true);
  });

  it("TC-052 a lock is waited for up to 5 s, then an error, and the database is left alone", () => {
    used();
    const other = file().connect();
    other.exec("BEGIN IMMEDIATE");
    const began = performance.now();
    expect(() => openDatabase(file().path, now)).toThrow(/locked/u);
    expect(performance.now() - began).toBeGreaterThan(4_900);
    expect(performance.now() - began).toBeLessThan(8_000);
    other.exec("ROLLBACK");
    expect(opened().replaced).toBeUndefined();
  });

  it("a directory in the database's place is an error and is left alone", () => {
    mkdirSync(file().path);
    expect(() => openDatabase(file().path, now)).toThrow(/unable to open/u);
    expect(readdirSync(file().directory)).toEqual(["agtmux.db"]);
  });

  it("any 20 bytes flipped, or any length cut, ends in a daemon that knows its agents or begins anew by the second start", () => {
    const good = join(file().directory, "good.db");
    used(good);
    const bytes = readFileSync(good);
    let round = 0;
    const survives = (spoiled: Buffer): void => {
      const path = join(file().directory, `spoiled-${round++}.db`);
      writeFileSync(path, spoiled);
      for (let start = 1; ; start++) {
        let store: Store | undefined;
        try {
          store = openStore(path, now);
          journalOf(store).load(START);
          store.transaction(() => store?.targets.insert({ ...HOST, targetId: "another" }));
          return;
        } catch (error) {
          if (error instanceof NewerSchemaError) return;
          if (start === 1 && error instanceof StoreFault && error.kind === "corrupt") continue;
          throw error;
        } finally {
          store?.close();
        }
      }
    };
    const flips = fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 })), {
      minLength: 20,
      maxLength: 20,
    });
    // Where rows are, not only where free space is.
    const rows = bytes.indexOf("UserPromptSubmit");
    const inRows = fc.array(
      fc.tuple(fc.integer({ min: rows - 200, max: rows + 400 }), fc.integer({ min: 1, max: 255 })),
      { minLength: 1, maxLength: 3 },
    );
    holds(
      fc.property(fc.oneof(flips, inRows), (places) => {
        const spoiled = Buffer.from(bytes);
        for (const [at, mask] of places) spoiled[at] = (spoiled[at] ?? 0) ^ mask;
        survives(spoiled);
      }),
      100,
    );
    holds(
      fc.property(fc.nat({ max: bytes.length }), (length) => survives(bytes.subarray(0, length))),
      30,
    );
  });

  it("a database of no length is begun anew, and nothing is set aside for it", () => {
    used();
    truncateSync(file().path, 0);
    expect(opened().replaced).toBeUndefined();
  });
});
