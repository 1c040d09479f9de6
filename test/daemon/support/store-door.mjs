// Loaded into a daemon under test (`node --import`): has the store's own connection run what the test asks for, so that
// SQLite itself finds its disk full, its database read-only or damaged. The product has no such door.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import SqliteDatabase from "better-sqlite3";

const ask = process.env.AGTMUX_TEST_DOOR;
let store;
const { pragma } = SqliteDatabase.prototype;
SqliteDatabase.prototype.pragma = function (...given) {
  if (this.name.endsWith("/agtmux.db")) store = this;
  return pragma.apply(this, given);
};

const COMMANDS = {
  fill: () => store.exec(`PRAGMA max_page_count = ${store.pragma("page_count", { simple: true })}`),
  free: () => store.exec("PRAGMA max_page_count = 1000000"),
};

setInterval(() => {
  if (store === undefined || !existsSync(ask)) return;
  const word = readFileSync(ask, "utf8");
  rmSync(ask);
  if (word in COMMANDS) COMMANDS[word]();
  else store.exec(word);
  writeFileSync(`${ask}.tmp`, "");
  renameSync(`${ask}.tmp`, `${ask}.done`);
}, 10).unref();
