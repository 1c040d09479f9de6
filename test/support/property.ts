import fc from "fast-check";

/** Pinned, so that a run says the same everywhere; `random` explores, a number replays. */
const PINNED = 20261122;

function seedOfThisRun(): number {
  const asked = process.env["AGTMUX_TEST_SEED"];
  if (asked === undefined || asked === "") return PINNED;
  if (asked === "random") return Math.floor(Math.random() * 2 ** 31);
  const seed = Number(asked);
  if (!Number.isSafeInteger(seed))
    throw new Error(`AGTMUX_TEST_SEED must be a number or "random", not ${asked}`);
  return seed;
}

export const SEED = seedOfThisRun();

/** How many times more cases than in the everyday run; for nightly runs. */
const FACTOR = Number(process.env["AGTMUX_TEST_RUNS_FACTOR"] ?? "1");

/** As many times longer a test may take. */
export const PATIENCE = Math.max(1, FACTOR);

function runs(numRuns: number): { seed: number; numRuns: number; endOnFailure: boolean } {
  console.info(`property seed ${SEED} (AGTMUX_TEST_SEED=${SEED} replays this run)`);
  return { seed: SEED, numRuns: Math.ceil(numRuns * FACTOR), endOnFailure: false };
}

/** Checks a property; a failure is shrunk, and says the seed and the path that replay it. */
export function holds<Ts>(property: fc.IProperty<Ts>, numRuns: number): void {
  fc.assert(property, runs(numRuns));
}

/** The same for a property that takes turns with something asynchronous. */
export function holdsAsync<Ts>(property: fc.IAsyncProperty<Ts>, numRuns: number): Promise<void> {
  return fc.assert(property, runs(numRuns));
}
