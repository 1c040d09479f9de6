import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../../support/daemon.js";
import { SEED } from "../../support/property.js";
import { failpointBuild } from "../failpoint/builds.js";
import { Spool } from "../traffic/spool.js";
import { spoolTakenAgain } from "./short-plays.js";
import { type Play, Stage } from "./stage.js";

let stage: Stage;
let program: string;
beforeAll(async () => {
  console.info(`seed ${SEED}`);
  stage = await Stage.set();
  program = await failpointBuild();
});
afterAll(async () => {
  await stage?.close();
});

function spooledIds({ history }: Pick<Play, "history">): string[] {
  return history.of("spooled").map(({ eventId }) => eventId);
}

it.each([
  "spool.before-remove=kill@3",
  "spool.after-remove=kill@2",
  "store.before-commit=kill@4",
  "store.after-commit=kill@4",
])("TC-074 TC-060 the spool is taken in order and once, through kill -9 at %s", async (failpoint) => {
  const name = `spool-${failpoint.split("=")[0]}`;
  const { history, breaches } = await stage.play(name, SEED, async (play) => {
    await spoolTakenAgain(failpoint, failpoint)(play, program);
    const stored = play.stored();
    const bound = stored.events.filter(({ spooled }) => spooled).map(({ eventId }) => eventId);
    // Both agents are seen again before the last life ends, so that nothing waits any more.
    expect(bound).toEqual(spooledIds(play));
  });
  expect(breaches).toEqual([]);
  expect(spooledIds({ history })).toHaveLength(14);
});

it("TC-074 a torn or hostile file is set aside with its reason, and keeps nothing behind it waiting", async () => {
  const { breaches } = await stage.play("spool-hostile", SEED, async (play) => {
    const { history, random, stateDir } = play;
    const pids = stage.agents.map(({ pid }) => pid);
    const spool = new Spool(stateDir, pids, history, random.branch());
    spool.leave(2);
    const planted = spool.plant();
    spool.leave(2);
    const killed = play.begin({ program, failpoint: "spool.before-remove=kill@3" });
    expect(await killed.death()).toBe("SIGKILL");
    const life = await play.serving({ program });
    await eventually("all of it to be gone", () => play.spool().size === 0);
    const rejected = join(spool.folder, "rejected");
    const names = readdirSync(rejected).sort();
    const reasons = names
      .filter((name) => name.endsWith(".reason"))
      .map((name) => readFileSync(join(rejected, name), "utf8").trim());
    expect(reasons.sort()).toEqual([
      "no event in it",
      "not JSON",
      "not JSON",
      "not the name of a spooled event",
      "not the name of a spooled event",
      "says itself that it is spooled",
    ]);
    expect(names.filter((name) => name.endsWith(".rejected"))).toHaveLength(planted.length);
    expect(existsSync(join(spool.folder, "pwned"))).toBe(false);
    await life.end("SIGTERM");
    const stored = play.stored();
    for (const id of spooledIds(play))
      expect(stored.events.some(({ eventId }) => eventId === id) || stored.inbox.has(id)).toBe(true);
  });
  expect(breaches).toEqual([]);
});
