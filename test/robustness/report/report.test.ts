import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openStore } from "../../../src/server/store/store.js";
import { History } from "../client/history.js";
import { Random } from "../traffic/random.js";
import { Spool } from "../traffic/spool.js";
import { validateAll } from "../validate/all.js";
import { EXACTLY_ONCE } from "../validate/exactly-once.js";
import { WATCH } from "../validate/watch.js";
import { readHistory, writeHistory } from "./history-file.js";
import { keepReport, revalidate, spooledNames } from "./report.js";
import { readStored } from "./stored.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "agtmux-report-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A history that breaks two promises, whatever its store holds. */
function broken(): History {
  const history = new History();
  const message = {
    type: "delta",
    streamId: "s",
    sequence: 3,
    cursor: "s:3",
    reason: "",
    coalesced: false,
    items: [],
    changes: [{ key: '["t","\\u0000 – \\n"]' }],
  } as const;
  history.add({ kind: "note", text: "a line\nand another" });
  history.add({ kind: "open", watcher: "w", connection: history.number(), cursor: "" });
  history.add({ kind: "message", watcher: "w", connection: 1, message });
  history.add({ kind: "ask", call: 2, events: [{ eventId: "a", dedupeKey: "a" }] });
  history.add({ kind: "answer", call: 2, results: [{ eventId: "a", status: "accepted" }] });
  return history;
}

it("a history is read as it was written, one happening a line", () => {
  const history = broken();
  const path = join(root, "history.jsonl");
  writeHistory(path, history);
  expect(readHistory(path).records).toEqual(history.records);
  appendFileSync(path, '{"kind":"note"');
  expect(() => readHistory(path)).toThrow(SyntaxError);
});

it("a kept report gives the same breaches when it is judged again, without the state directory", () => {
  const state = join(root, "state");
  mkdirSync(join(state, "log"), { recursive: true });
  writeFileSync(join(state, "log", "agtmuxd.1.log"), "{}\n");
  openStore(join(state, "agtmux.db"), () => new Date()).close();
  const history = broken();
  new Spool(state, [1], history, new Random(1)).leave(2);
  const options = { spool: spooledNames(state) };
  const breaches = validateAll(history, readStored(join(state, "agtmux.db"), true), options);
  expect(breaches.map((line) => line.split(": ")[0])).toEqual([EXACTLY_ONCE.durable, WATCH.begins]);

  const folder = keepReport("broken-1", history, state, breaches, join(root, "kept"));
  rmSync(state, { recursive: true });
  expect(folder).toBe(join(root, "kept", "broken-1"));
  expect(existsSync(join(folder, "log", "agtmuxd.1.log"))).toBe(true);
  expect(revalidate(folder)).toEqual(breaches);
});
