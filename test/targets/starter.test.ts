import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { NOTHING, STARTER, startTask } from "../../src/server/targets/starter.js";
import { holds } from "../support/property.js";
import { SHELLS } from "./shell/login-shells.js";

const directory = mkdtempSync(join(tmpdir(), "agtmux-starter-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Words as hostile as they come, and what a shell would make much of. */
const WORD = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc
      .array(
        fc.constantFrom(
          "\n",
          "+",
          ".",
          "!",
          "<",
          "'",
          '"',
          "\\",
          "$(touch x)",
          "`touch x`",
          "*",
          "~",
          " ",
          "\t",
          "é",
          "A=b",
        ),
        { maxLength: 8 },
      )
      .map((pieces) => pieces.join("")),
  )
  .map((word) => word.replaceAll("\0", "").toWellFormed());

describe.each(SHELLS)("the starter in %s", (sh) => {
  const run = (tasks: readonly Uint8Array[], env: NodeJS.ProcessEnv = {}, base: readonly string[] = []) => {
    const asked = tasks.flatMap((task, number) => [Buffer.from(`mark${number}end\n`), task]);
    return spawnSync(sh, ["-c", STARTER, "sh", ...base], {
      input: Buffer.concat(asked),
      // A bash of that name reads no file of the user's.
      argv0: "sh",
      cwd: directory,
      env: { PATH: process.env["PATH"], LC_ALL: "C", ...env },
    });
  };

  it("gives a program its words and what it is fed byte by byte, and parses none of them", () => {
    const lists = fc.array(fc.tuple(fc.array(WORD, { maxLength: 6 }), fc.uint8Array({ maxLength: 60 })), {
      minLength: 1,
      maxLength: 20,
    });
    holds(
      fc.property(lists, (given) => {
        const tasks = given.flatMap(([words, bytes]) => [
          startTask(["/usr/bin/printf", "%s\\0", ...words]),
          startTask(
            ["cat"],
            bytes.filter((byte) => byte !== 0),
          ),
        ]);
        const { stdout } = run(tasks);
        const expected = given.flatMap(([words, bytes], index) => [
          Buffer.from(
            `mark${2 * index}end{${words.length === 0 ? "\0" : words.map((word) => `${word}\0`).join("")}mark${2 * index}end}0\n`,
          ),
          Buffer.from(`mark${2 * index + 1}end{`),
          Buffer.from(bytes.filter((byte) => byte !== 0)),
          Buffer.from(`mark${2 * index + 1}end}0\n`),
        ]);
        expect(stdout.equals(Buffer.concat(expected))).toBe(true);
      }),
      20,
    );
    expect(existsSync(join(directory, "x"))).toBe(false);
  });

  it("tells the status of each, and gives one that is fed nothing an empty input", () => {
    const tasks = [
      startTask(["false"]),
      startTask(["cat"]),
      startTask(["no-such-program"]),
      Buffer.from(NOTHING),
    ];
    const { stdout, stderr } = run(tasks);
    expect(stdout.toString()).toBe(
      "mark0end{mark0end}1\nmark1end{mark1end}0\nmark2end{mark2end}127\nmark3end{mark3end}0\n",
    );
    expect(stderr.toString()).toMatch(
      /^mark0end\{mark0end\}\nmark1end\{mark1end\}\nmark2end\{.*no-such-program.*\nmark2end\}\nmark3end\{mark3end\}\n$/u,
    );
  });

  it("begins each list with the words that it was given itself", () => {
    const { stdout } = run([startTask(["b", "\n"]), startTask([]), startTask(["c"])], {}, [
      "printf",
      "[%s]",
      "a *",
    ]);
    expect(stdout.toString()).toBe(
      "mark0end{[a *][b][\n]mark0end}0\nmark1end{[a *]mark1end}0\nmark2end{[a *][c]mark2end}0\n",
    );
  });

  it("runs nothing of a list that is cut off, wherever", () => {
    const task = startTask(["touch", "made"], Buffer.from("fed"));
    for (let length = 0; length < task.length; length++) {
      run([task.subarray(0, length)]);
      expect(existsSync(join(directory, "made")), `cut off after ${length} bytes`).toBe(false);
    }
  });

  it("leaves the environment as it was given", () => {
    const { stdout } = run([startTask(["env"])], { w: "mine", m: "mine", IFS: "x", n: "y" });
    expect(stdout.toString()).toMatch(/^w=mine$/mu);
    expect(stdout.toString()).not.toContain("agtmux_");
  });
});

describe("a task of the starter", () => {
  it("with a NUL is refused, which no word can hold", () => {
    expect(() => startTask(["a\0b"])).toThrow(RangeError);
    expect(() => startTask(["a"], Uint8Array.of(0))).toThrow(RangeError);
  });
});
