import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAILPOINTS } from "../../../src/server/failpoint.js";
import { SEED } from "../../support/property.js";
import { failpointBuild } from "../failpoint/builds.js";
import { keepReport, revalidate } from "../report/report.js";
import { type Coverage, coverage } from "../validate/coverage.js";
import { EXACTLY_ONCE } from "../validate/exactly-once.js";
import { SPOOL } from "../validate/spool.js";
import { STATES } from "../validate/states.js";
import { VISIBLE } from "../validate/visible.js";
import { WATCH } from "../validate/watch.js";
import { Rounds, type SignalPoint } from "./rounds.js";
import { type Play, Stage } from "./stage.js";

const ROUNDS = Number(process.env["AGTMUX_TEST_KILLS"] ?? "25");
// Sound: these are exactly the keys, without those that the type leaves out.
const NAMES = Object.keys(FAILPOINTS).filter((name) => !name.startsWith("action.")) as SignalPoint[];

describe(`kill -9 at random points and at every failpoint, under load (${ROUNDS} rounds, seed ${SEED})`, () => {
  let stage: Stage;
  let breaches: readonly string[] = [];
  let offline: readonly string[] = [];
  let seen: Coverage;
  let shown: readonly string[] = ["it never came to rest"];
  let told: readonly string[] = [];
  const reached: string[] = [];

  const of = (promises: Readonly<Record<string, string>>): string[] =>
    breaches.filter((line) => Object.values(promises).some((promise) => line.startsWith(promise)));

  beforeAll(
    async () => {
      console.info(`${ROUNDS} rounds, seed ${SEED} (AGTMUX_TEST_SEED=${SEED} replays this run)`);
      const armable = await failpointBuild();
      stage = await Stage.set();
      const outcome = await stage.play("kill9", SEED, async (play) => {
        const rounds = new Rounds(play, armable);
        for (let round = 0; round < ROUNDS; round += 1) {
          const point = round % 2 === 1 ? NAMES[((round - 1) / 2) % NAMES.length] : undefined;
          if (point !== undefined) reached.push(point);
          await rounds.one(point);
          if (play.breaches.length > 0) break;
        }
        if (play.breaches.length === 0) ({ shown, told } = await rounds.settle());
        seen = coverage(play.history);
        await play.over();
        offline = offlineBreaches(play);
      });
      breaches = outcome.breaches;
      console.info(JSON.stringify(seen));
    },
    240_000 + ROUNDS * 5_000,
  );

  afterAll(async () => {
    await stage?.close();
  });

  it("TC-060 TC-049 nothing answered OK is lost and nothing is applied twice, duplicates and redelivery included", () => {
    expect(of(EXACTLY_ONCE)).toEqual([]);
    expect(seen.taken).toBeGreaterThan(ROUNDS);
    expect(seen.duplicates).toBeGreaterThan(ROUNDS);
    expect(seen.unanswered).toBeGreaterThan(0);
    if (ROUNDS >= 2 * NAMES.length) expect(new Set(reached)).toEqual(new Set(NAMES));
  });

  it("TC-060 TC-049 every stored state is the fold of its events, and no version, event or runtime goes back", () => {
    expect(of(STATES)).toEqual([]);
  });

  it("TC-060 nothing was shown that the store does not know", () => {
    expect(of(VISIBLE)).toEqual([]);
  });

  it("TC-074 what was spooled while no daemon ran is taken in order", () => {
    expect(of(SPOOL)).toEqual([]);
  });

  it("TC-019 TC-051 watchers resume without gap or duplicate, and hear reset and snapshot from every new life", () => {
    expect(of(WATCH)).toEqual([]);
    expect(seen.resumed).toBeGreaterThan(0);
    expect(seen.reset).toBeGreaterThan(ROUNDS / 2);
    expect(seen.compared).toBeGreaterThan(ROUNDS);
  });

  it("TC-041 in the end lists show what tmux has, through all kills and all churn", () => {
    expect(shown).toEqual(told);
  });

  it("the kept report says the same when it is judged offline", () => {
    expect(breaches).toEqual([]);
    expect(offline).toEqual(breaches);
  });
});

function offlineBreaches(play: Play): string[] {
  const under = mkdtempSync(join(tmpdir(), "agtmux-report-"));
  try {
    return revalidate(keepReport("kill9", play.history, play.stateDir, [], under));
  } finally {
    rmSync(under, { recursive: true, force: true });
  }
}
