import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REMOTE_COMMAND, REMOTE_PROLOGUE } from "../../../src/server/targets/ssh/remote-shells.js";
import { shQuote, shWords } from "../../../src/server/targets/ssh/sh-quote.js";
import { holds } from "../../support/property.js";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "agtmux-quote-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Pieces that end words, quotes and commands, or begin something that is executed. */
const pieces = fc.constantFrom(
  ..."'\"\\$`;&|<>(){}[]*?~#!^%=\n\t \r-/",
  "$(touch canary)",
  "`touch canary`",
  "'; touch canary; '",
  "\n touch canary\n",
  "'\\''",
  "\\'",
  "é",
  "漢",
  "🙂",
  "\u2028",
);
const hostile = fc.oneof(
  fc.array(pieces, { maxLength: 12 }).map((all) => Buffer.from(all.join(""))),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0))),
);

describe.each(["dash", "bash", "busybox sh"])("a quoted word in %s", (shell) => {
  const [file = "", ...argv] = shell.split(" ");
  const env = { PATH: process.env["PATH"], LANG: "C.UTF-8" };
  const run = (input: Buffer) => spawnSync(file, argv, { input, cwd: directory, env });

  it("is read back byte by byte, whatever it holds, and executes nothing", () =>
    holds(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 4 }), (words) => {
        const line = Buffer.concat([Buffer.from("printf '[%s]' "), shWords(words), Buffer.from("\n")]);
        const { stdout, status } = run(line);
        expect(status).toBe(0);
        const expected = Buffer.concat(
          words.map((word) => Buffer.concat([Buffer.from("["), word, Buffer.from("]")])),
        );
        expect(stdout.equals(expected)).toBe(true);
        expect(existsSync(join(directory, "canary"))).toBe(false);
      }),
      60,
    ));

  it("may be half a megabyte long", () => {
    const word = Buffer.from("it's\n".repeat(100_000));
    const { stdout } = run(Buffer.concat([Buffer.from("printf %s "), shQuote(word), Buffer.from("\n")]));
    expect(stdout.equals(word)).toBe(true);
  });
});

describe("quoting", () => {
  it("refuses a NUL, which no word can hold", () => {
    expect(() => shQuote("a\0b")).toThrow(RangeError);
    expect(() => shQuote(Uint8Array.of(0))).toThrow(RangeError);
  });

  it("quotes nothing as an empty word", () => {
    expect(shQuote("").toString()).toBe("''");
  });

  const logins: readonly string[] = ["sh", "dash", "bash", "zsh", "fish", "tcsh", "csh"];
  const installed = (shell: string): boolean =>
    spawnSync("sh", ["-c", `command -v ${shell}`], { stdio: "ignore" }).status === 0;
  it.each(logins.filter(installed))("is all that the login shell %s leaves to sh", (login) => {
    const input = Buffer.concat([
      Buffer.from(REMOTE_PROLOGUE),
      Buffer.from("printf %s "),
      shQuote("it's $HOME"),
      Buffer.from("\n"),
    ]);
    const { stdout } = spawnSync(login, ["-c", REMOTE_COMMAND], { input, cwd: directory });
    expect(stdout.toString()).toBe("it's $HOME");
  });
});
