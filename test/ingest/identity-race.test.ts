import { rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Finish } from "../support/racing-journal.js";
import { JournalLab } from "./journal-harness.js";

const ROOT = join(import.meta.dirname, "..", "..");
const RACER = join(ROOT, "test-results", `racing-journal-${process.pid}.mjs`);
const RACERS = 4;
const ROUNDS = 40;

beforeAll(async () => {
  const entry = join(ROOT, "test", "support", "racing-journal.ts");
  await build({
    entryPoints: [entry],
    outfile: RACER,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "silent",
  });
});
afterAll(() => rmSync(RACER, { force: true }));

it("TC-003 of several journals that open a runtime in one pane at the same moment exactly one has it", async () => {
  const lab = new JournalLab();
  try {
    const ready = new SharedArrayBuffer(4 * ROUNDS);
    const finishes: Finish[] = [];
    const race = (racer: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const workerData = { path: lab.path, racer, rounds: ROUNDS, ready, racers: RACERS };
        const worker = new Worker(RACER, { workerData });
        worker.on("message", (finish: Finish) => finishes.push(finish));
        worker.once("error", reject).once("exit", () => resolve());
      });
    await Promise.all(Array.from({ length: RACERS }, (_, racer) => race(racer)));
    expect(finishes).toHaveLength(RACERS * ROUNDS);
    const active = new Map(lab.store.runtimes.active().map((record) => [record.paneId, record]));
    expect(active.size).toBe(ROUNDS);
    const winners = new Set<number>();
    for (let round = 0; round < ROUNDS; round++) {
      const record = active.get(`%${round}`);
      const of = finishes.filter((finish) => finish.round === round);
      const won = of.filter(({ error }) => error === "");
      expect(won.map(({ holds }) => holds)).toEqual([[record?.runtimeId]]);
      winners.add(won[0]?.racer ?? -1);
      for (const lost of of.filter(({ error }) => error !== "")) {
        expect(lost.error).toMatch(/UNIQUE constraint failed: runtimes.target_id, runtimes.pane_id/u);
        expect(lost.holds).toEqual([]);
      }
      // A refused one takes its epoch back.
      expect(record?.paneEpoch).toBe(1);
    }
    expect(winners.size).toBeGreaterThan(1);
  } finally {
    lab.close();
  }
});
