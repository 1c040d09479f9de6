import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ForeignClient } from "./foreign-client.js";
import { SCENARIOS, type Scenario, type ScenarioName } from "./scenarios.js";
import { Stage } from "./stage.js";

/** What a client cannot do, with what it says when it tries. */
export type Cannot = Readonly<Partial<Record<ScenarioName, { readonly why: string; readonly says: RegExp }>>>;

export interface Runner {
  /** How the client speaks. */
  readonly name: string;
  readonly open: (socketPath: string) => ForeignClient;
  readonly cannot: Cannot;
  /** The scenarios that are worth running once more this way; all by default. */
  readonly only?: readonly ScenarioName[];
}

/** A daemon that waits for a connection waits this long, in milliseconds. */
const DRAIN_MS = 5_000;

/** Runs the one table of scenarios with every runner, against one daemon. */
export function runScenarios(client: string, runners: readonly Runner[]): void {
  describe(client, () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await Stage.set();
    });
    afterAll(() => stage.close());

    describe.each(runners)("$name", ({ open, cannot, only }) => {
      let speaking: ForeignClient;
      beforeAll(() => {
        speaking = open(stage.scene.daemon.socketPath);
      });
      afterAll(() => speaking.close());

      // Sound: these are exactly the keys.
      for (const [name, scenario] of Object.entries(SCENARIOS) as [ScenarioName, Scenario][]) {
        if (only?.includes(name) === false) continue;
        const refusal = cannot[name];
        if (refusal === undefined) it(`TC-067 ${name}`, () => scenario(speaking, stage));
        else {
          it(`TC-067 cannot do this, for ${refusal.why}: ${name}`, async () => {
            await expect(scenario(speaking, stage)).rejects.toThrow(refusal.says);
          });
        }
      }
    });

    it("TC-067 leaves nothing open that would hold up the daemon when it stops", async () => {
      const began = performance.now();
      expect(await stage.scene.daemon.end()).toBe(0);
      expect(performance.now() - began).toBeLessThan(DRAIN_MS - 1_000);
    });
  });
}
