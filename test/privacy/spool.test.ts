import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULTS } from "../../src/server/config.js";
import { SpoolFeed } from "../../src/server/ingest/spool-feed.js";

let root: string;
let dir: string;
let logged: string;
let feed: SpoolFeed;
/** Microseconds. */
let now: number;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "agtmux-spool-"));
  dir = join(root, "local");
  logged = "";
  now = Date.now() * 1_000;
  feed = newFeed();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function newFeed(): SpoolFeed {
  const log = pino({ level: "trace" }, { write: (line) => (logged += line) });
  return new SpoolFeed(
    dir,
    async () => [],
    () => now,
    DEFAULTS,
    log,
  );
}

const everything = (): string =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name}\n${readFileSync(join(entry.parentPath, entry.name), "latin1")}`)
    .join("\n");

const torn = (time: number, text: string): string => {
  const path = join(dir, `${String(time).padStart(20, "0")}-${crypto.randomUUID()}.json`);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

describe("TC-050 what is no event in a spool", () => {
  it("is set aside with a reason that quotes nothing of it, and so is the log", async () => {
    for (const text of [
      '{"prompt": "CANARY',
      '{"events":[{"eventType":{"CANARY":1}}]}',
      '{"events":[{"pid":"CANARY"}]}',
    ]) {
      torn(1, text);
    }
    await feed.drain();
    const reasons = readdirSync(join(dir, "rejected")).filter((name) => name.endsWith(".reason"));
    expect(reasons).toHaveLength(3);
    for (const name of reasons)
      expect(readFileSync(join(dir, "rejected", name), "utf8")).not.toContain("CANARY");
    expect(logged).toContain("set aside");
    expect(logged).not.toContain("CANARY");
  });

  it("never comes to more than a hundred files and 1 MiB, however much there is", async () => {
    for (let file = 0; file < 150; file++) torn(file, `CANARY${file}${"x".repeat(20_000)}`);
    await feed.drain();
    const kept = readdirSync(join(dir, "rejected")).filter((name) => name.endsWith(".rejected"));
    expect(kept.length).toBeLessThanOrEqual(52);
    // The oldest have gone, with all they said.
    expect(everything()).not.toMatch(/CANARY(?:\d|[1-8]\d)x/u);
  });

  it("is kept no longer than a spooled event may be, 24 hours", async () => {
    torn(1, '{"prompt": "CANARY');
    await feed.drain();
    const folder = join(dir, "rejected");
    mkdirSync(folder, { recursive: true });
    const yesterday = Date.now() / 1_000 - 86_500;
    for (const name of readdirSync(folder)) utimesSync(join(folder, name), yesterday, yesterday);
    await newFeed().drain();
    expect(everything()).not.toContain("CANARY");
  });

  it("does not say its name in the log, for that is somebody's text as well", async () => {
    writeFileSync(join(dir, "token=CANARY.json"), "{}");
    await feed.drain();
    expect(logged).toContain("set aside");
    expect(logged).not.toContain("CANARY");
  });
});
