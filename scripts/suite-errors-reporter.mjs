// A reporter of vitest that writes down what fails a run beside its tests, and what the JSON report neither counts nor
// words: a file that could not be loaded, a suite whose beforeAll or afterAll threw (its tests are skipped, or passed
// before), an error outside of everything. test-run.mjs reads it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Writes `{file, suite, why}[]` to the file that AGTMUX_TEST_SUITE_ERRORS names; nothing where there was no such error. */
export default class SuiteErrorsReporter {
  onTestRunEnd(modules, unhandled) {
    const file = process.env.AGTMUX_TEST_SUITE_ERRORS;
    const found = [...modules.flatMap(ofModule), ...unhandled.map((error) => said("", "", error))];
    if (file === undefined || found.length === 0) return;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(found));
  }
}

function ofModule(module) {
  const file = module.moduleId;
  const suites = [...module.children.allSuites()];
  return [
    ...module.errors().map((error) => said(file, "", error)),
    ...suites.flatMap((suite) => suite.errors().map((error) => said(file, suite.fullName, error))),
  ];
}

function said(file, suite, { message, stack }) {
  return { file, suite, why: stack ?? message ?? "" };
}
