import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { removeUnseenReaders } from "../../src/server/ingest/unseen-readers.js";

const DAY_MS = 24 * 3_600_000;

it("the folder of another machine's daemon goes after 7 days without it, whatever hooks go on putting there", async () => {
  const spool = mkdtempSync(join(tmpdir(), "agtmux-unseen-"));
  const now = Date.now();
  const reader = (name: string, daysAway?: number): string => {
    const folder = join(spool, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "event.json"), "{}");
    if (daysAway !== undefined) {
      writeFileSync(join(folder, ".seen"), "");
      utimesSync(join(folder, ".seen"), (now - daysAway * DAY_MS) / 1_000, (now - daysAway * DAY_MS) / 1_000);
    }
    return folder;
  };
  try {
    const [local, away, back] = [reader("local"), reader("aaaa", 7.01), reader("bbbb", 6.99)];
    writeFileSync(join(spool, "a file"), "");
    await removeUnseenReaders(spool, now);
    expect([local, away, back].map((folder) => existsSync(folder))).toEqual([true, false, true]);
  } finally {
    rmSync(spool, { recursive: true, force: true });
  }
});
