// A reporter of vitest that writes down what the JSON report leaves out: errors outside of any test, which fail a run
// in which every test passed. failures.mjs reads it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export const unhandledFile = (name) => `test-results/${name}.unhandled.json`;

/** Writes to the file that AGTMUX_TEST_UNHANDLED names; nothing where there was no such error. */
export default class UnhandledReporter {
  onTestRunEnd(_modules, errors) {
    const file = process.env.AGTMUX_TEST_UNHANDLED;
    if (file === undefined || errors.length === 0) return;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(errors.map(({ message, stack }) => stack ?? message)));
  }
}
