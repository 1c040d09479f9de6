import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/server/store/database.js";
import { NewerSchemaError, SCHEMA_VERSION, schemaVersion } from "../../src/server/store/migrate.js";
import { openStore } from "../../src/server/store/store.js";
import { holds } from "../support/property.js";
import { GOOD_ROWS, insert, useDatabaseFile } from "./database-file.js";

const file = useDatabaseFile();
const now = (): Date => new Date("2026-11-22T10:00:00.123Z");
const ASIDE = "agtmux.db.corrupt-2026-11-22T10-00-00-123Z";

/** Opens, and says whether what is there now is whole, at the newest schema, and can be written. */
function reopened(path = file().path): string | undefined {
  const { db, replaced } = openDatabase(path, now);
  try {
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(schemaVersion(db)).toBe(SCHEMA_VERSION);
    db.exec("INSERT INTO targets (target_id, kind, created_at) VALUES ('another', 'local', 1)");
    return replaced;
  } finally {
    db.close();
  }
}

beforeEach(() => {
  const { db } = openDatabase(file().path, now);
  for (const [table, row] of GOOD_ROWS) insert(db, table, row);
  db.close();
});

describe("a database file", () => {
  it("that is whole is used as it is", () => {
    expect(reopened()).toBeUndefined();
    const { db } = openDatabase(file().path, now);
    expect(GOOD_ROWS.map(([table]) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get())).toHaveLength(
      11,
    );
    expect(db.prepare("SELECT state FROM states").get()).toEqual({ state: "running" });
    db.close();
  });

  it("is opened so that an answered commit survives a power cut, and references hold", () => {
    const { db } = openDatabase(file().path, now);
    expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(db.pragma("synchronous", { simple: true })).toBe(2);
    expect(db.pragma("foreign_keys", { simple: true })).toBe(1);
    db.close();
  });

  it.each<[string, () => void]>([
    [
      "that is text",
      () => writeFileSync(file().path, "not a database, but long enough to be read as one\n".repeat(20)),
    ],
    ["that is shorter than a header", () => truncateSync(file().path, 50)],
    ["that is cut in the middle", () => truncateSync(file().path, 3 * 4096)],
    ["whose first page is zeroes", () => overwrite(0, Buffer.alloc(4096))],
    ["whose schema page is garbage", () => overwrite(100, Buffer.alloc(3000, 0xa5))],
    ["whose every page but the first is garbage", () => overwrite(4096, Buffer.alloc(20 * 4096, 0x5a))],
  ])("%s is set aside, whole, and a new one begun", (_name, spoil) => {
    spoil();
    const spoiled = readFileSync(file().path);
    expect(reopened()).toBe(join(file().directory, ASIDE));
    expect(readFileSync(join(file().directory, ASIDE)).equals(spoiled)).toBe(true);
  });

  it.each([18, 19])(
    "whose byte %i says a format that nobody knows is set aside, not taken for read-only",
    (at) => {
      const bytes = readFileSync(file().path);
      bytes[at] = 9;
      writeFileSync(file().path, bytes);
      expect(reopened()).toBe(join(file().directory, ASIDE));
    },
  );

  it("whose schema has one wrong letter is set aside, not met by the first statement", () => {
    const bytes = readFileSync(file().path);
    bytes.write("reason_kode", bytes.indexOf("reason_code"));
    writeFileSync(file().path, bytes);
    expect(reopened()).toBe(join(file().directory, ASIDE));
  });

  it("of no length, as a crash at its making leaves it, is begun anew", () => {
    truncateSync(file().path, 0);
    expect(reopened()).toBeUndefined();
  });

  it("that is set aside never replaces an earlier one, not even of the same instant", () => {
    for (const text of ["first", "second", "third"]) {
      writeFileSync(file().path, `${text} `.repeat(200));
      reopened();
    }
    const aside = readdirSync(file().directory).filter((name) => name.startsWith(ASIDE));
    const texts = aside.map((name) => readFileSync(join(file().directory, name), "utf8").split(" ")[0]);
    expect(texts.sort()).toEqual(["first", "second", "third"]);
  });

  it("takes its write-ahead log along when it is set aside", () => {
    writeFileSync(file().path, "spoiled ".repeat(1_000));
    writeFileSync(`${file().path}-wal`, "half a log");
    reopened();
    expect(existsSync(`${file().path}-wal`) && readFileSync(`${file().path}-wal`, "utf8")).not.toBe(
      "half a log",
    );
  });

  it("that is a directory is an error, and is left alone", () => {
    const path = join(file().directory, "folder.db");
    mkdirSync(path);
    writeFileSync(join(path, "kept"), "");
    expect(() => openDatabase(path, now)).toThrow(/unable to open database file/u);
    expect(readdirSync(path)).toEqual(["kept"]);
  });

  it("TC-001 with any bytes flipped is whole, set aside, or refused as of a newer version: never a crash loop", () => {
    const good = readFileSync(file().path);
    let round = 0;
    const flips = fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    // The header and the schema page are where a flip does most.
    const inHeader = fc.array(fc.tuple(fc.nat({ max: 99 }), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 2,
    });
    holds(
      fc.property(fc.oneof(flips, inHeader), (places) => {
        const path = join(file().directory, `flipped-${round++}.db`);
        const bytes = Buffer.from(good);
        for (const [at, mask] of places) bytes[at] = (bytes[at] ?? 0) ^ mask;
        writeFileSync(path, bytes);
        try {
          const store = openStore(path, now);
          const { replaced } = store;
          if (replaced !== undefined) expect(readFileSync(replaced).equals(bytes)).toBe(true);
          store.targets.list();
          store.close();
        } catch (error) {
          expect(error).toBeInstanceOf(NewerSchemaError);
          expect(readFileSync(path).equals(bytes)).toBe(true);
        }
      }),
      150,
    );
  });
});

function overwrite(at: number, bytes: Buffer): void {
  const whole = readFileSync(file().path);
  bytes.copy(whole, at, 0, Math.min(bytes.length, whole.length - at));
  writeFileSync(file().path, whole);
  copyFileSync(file().path, `${file().path}.spoiled`);
}
