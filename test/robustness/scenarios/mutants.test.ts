import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SEED } from "../../support/property.js";
import { failpointBuild } from "../failpoint/builds.js";
import { TRIALS } from "./mutants.js";
import { Stage } from "./stage.js";

describe(`what the suite must not miss (seed ${SEED})`, () => {
  let stage: Stage;
  beforeAll(async () => {
    console.info(`seed ${SEED}`);
    stage = await Stage.set();
  });
  afterAll(async () => {
    await stage?.close();
  });

  describe.each(TRIALS)("$scenario", ({ scenario, play, settings, mutants }) => {
    const name = scenario.replaceAll(" ", "-");

    it("finds nothing in the product", async () => {
      const program = await failpointBuild(settings);
      const { breaches } = await stage.play(name, SEED, (each) => play(each, program));
      expect(breaches).toEqual([]);
    });

    it.each(mutants)("finds that $name", async ({ promise, edits }) => {
      const program = await failpointBuild([...settings, ...edits]);
      const { breaches } = await stage.play(name, SEED, (each) => play(each, program), true);
      expect(breaches).toContainEqual(expect.stringMatching(new RegExp(`^${promise}: `, "u")));
    });
  });
});
