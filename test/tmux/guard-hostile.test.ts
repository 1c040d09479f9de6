import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Executor } from "../../src/server/targets/executor.js";
import { createLocalExecutor } from "../../src/server/targets/local-executor.js";
import { guardCondition, isFormatSafe, type PanePins, pinnedLine } from "../../src/server/tmux/guard.js";
import { lookAtPane, type PaneLook } from "../../src/server/tmux/pane-look.js";
import { holdsAsync, PATIENCE } from "../support/property.js";
import { hostileText } from "./hostile-text.js";
import { createPrivateServer, type PrivateServer, until } from "./private-server.js";
import { isTrue, ScreenPane } from "./screen-pane.js";

/** What a look alone pins: no line. */
const bare = ({ lines: _, ...look }: PaneLook): PanePins => look;

describe("TC-068 screen text in a condition", () => {
  let server: PrivateServer;
  let executor: Executor;
  let pane: ScreenPane;
  let canaries = 0;
  const canary = (): string => join(server.directory, `canary-${++canaries}`);

  beforeAll(async () => {
    server = createPrivateServer();
    executor = createLocalExecutor({ socket: { path: server.socketPath }, env: process.env });
    pane = await ScreenPane.open(server, executor, "new-session", "-d", "-x", "130", "-y", "10");
  });
  afterAll(async () => {
    pane.close();
    await executor.close();
    server.dispose();
  });

  /** Time for a job that a format has begun. */
  const LINGER = [["run-shell", "sleep 0.01"]];
  const found = (condition: string): Promise<boolean> => isTrue(executor, pane.paneId, condition, LINGER);

  const nothingExecuted = async (): Promise<void> => {
    const control = join(server.directory, `control-${++canaries}`);
    await until("a job that is meant to run, run in the same way", async () => {
      await found(`#{C/r:#(touch ${control})}`);
      return existsSync(control);
    });
    const made = execFileSync("find", [server.directory, "-name", "canary-*"], { encoding: "utf8" });
    expect(made).toBe("");
  };

  it(
    "stands for itself, whatever it holds: each line on a screen satisfies its own pin, and executes nothing",
    async () => {
      await holdsAsync(
        fc.asyncProperty(hostileText(canary), async (text) => {
          const look = await pane.redraw(text);
          const lines = look.lines.map(({ raw }) => raw);
          expect(await found(guardCondition({ ...look, lines }))).toBe(true);
        }),
        500,
      );
      await nothingExecuted();
    },
    120_000 * PATIENCE,
  );

  it(
    "executes nothing if it never stood on any screen, and is a condition all the same",
    async () => {
      const look = await pane.redraw("here");
      await holdsAsync(
        fc.asyncProperty(hostileText(canary), async (text) => {
          await found(guardCondition({ ...look, lines: text.split("\n"), currentCommand: text }));
        }),
        500,
      );
      await nothingExecuted();
    },
    120_000 * PATIENCE,
  );

  it("enters a format as letters, digits, blanks and a pattern of ours alone", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (line) => {
        const pin = pinnedLine(line);
        expect(pin === undefined).toBe(!/[A-Za-z0-9]/u.test(line.slice(0, 120)));
        if (pin === undefined) return;
        const [, core = "#"] =
          /^#\{C\/r:\^\[\^A-Za-z0-9\]\*(.*?)(?:\[\^A-Za-z0-9\]\*\$)?\}$/su.exec(pin) ?? [];
        expect(core).toMatch(/^[A-Za-z0-9 .+]+$/u);
      }),
    );
  });

  it(
    "is another pin once one letter or digit is another",
    async () => {
      const words = fc.string({
        unit: fc.constantFrom(..."abcXYZ019 .,#{}()é漢│"),
        minLength: 4,
        maxLength: 100,
      });
      await holdsAsync(
        fc.asyncProperty(words, fc.nat(), async (text, at) => {
          const places = [...text.matchAll(/[A-Za-z0-9]/gu)].map(({ index }) => index);
          const place = places[at % places.length];
          fc.pre(place !== undefined);
          const look = await pane.redraw(text);
          const changed = `${text.slice(0, place)}Q${text.slice((place ?? 0) + 1)}`;
          const pins = { ...look, lines: [changed] };
          expect(await isTrue(executor, pane.paneId, guardCondition(pins))).toBe(false);
        }),
        100,
      );
    },
    60_000 * PATIENCE,
  );

  it.each<[string, string | Buffer]>([
    ["a job", "#(touch CANARY)"],
    ["a substitution", "$(touch CANARY)"],
    ["backticks", "`touch CANARY`"],
    ["the end of a format and a job", "},#(touch CANARY)"],
    ["the end of a format", "}#(touch CANARY)#{"],
    ["a format", "#{E:#(touch CANARY)}"],
    ["times and globs", "%s%n{,}*?[a-z]\\"],
    ["two lines", "line\nbreak"],
    ["quotes", "quote'\"quote"],
    ["many scripts", "né-🙂-漢字-x"],
    ["40 kB", "long".repeat(10_000)],
    ["an escape", "\u200e\u001b[31m"],
    ["no UTF-8", Buffer.from([0x61, 0xff, 0xc3, 0x62, 0xed, 0xa0, 0x80])],
  ])(
    "a process that calls itself %s is found again by that name, and executes nothing",
    async (_what, name) => {
      const argv0 = typeof name === "string" ? Buffer.from(name.replace("CANARY", canary())) : name;
      const { paneId, close } = await called(argv0);
      const look = await lookAtPane(executor, paneId);
      if (look === undefined) throw new Error("the pane is gone");
      const pins = bare(look);
      expect(await isTrue(executor, paneId, guardCondition(pins))).toBe(true);
      expect(await isTrue(executor, paneId, guardCondition({ ...pins, currentCommand: "Q" }))).toBe(false);
      close();
      await nothingExecuted();
    },
  );

  it("is compared with the worst of names at once, and only what could not be read stands for anything", async () => {
    const { paneId, close } = await called(Buffer.from("a".repeat(110)));
    const look = await lookAtPane(executor, paneId);
    if (look === undefined) throw new Error("the pane is gone");
    for (const junk of ["*", "\ufffd", "é", "?"]) {
      const begun = performance.now();
      const currentCommand = `${`a${junk}`.repeat(50)}Z`;
      expect(await isTrue(executor, paneId, guardCondition({ ...bare(look), currentCommand }))).toBe(
        junk === "\ufffd",
      );
      expect(performance.now() - begun).toBeLessThan(1_000);
    }
    close();
  });

  /** A pane with a program of that name in front. */
  const called = async (argv0: Buffer) => {
    // The name travels in a file: no shell reads it.
    const program = join(server.directory, "program.py");
    writeFileSync(`${program}.name`, argv0);
    writeFileSync(
      program,
      "import os, sys\nos.execv('/bin/sleep', [open(sys.argv[1], 'rb').read(), '1000'])\n",
    );
    const words = ["new-window", "-d", "-P", "-F", "#{pane_id} #{pane_pid}"];
    const printed = server.tmux(...words, `exec /usr/bin/python3 ${program} ${program}.name`);
    const [paneId = "", pid = ""] = printed.split(" ");
    const whole = Buffer.concat([argv0, Buffer.from("\u00001000\u0000")]);
    await until("its name", () => readFileSync(`/proc/${pid}/cmdline`).equals(whole));
    return { paneId, close: () => server.tmux("kill-pane", "-t", paneId) };
  };

  it("takes patterns of an adapter only without what the format language reads", () => {
    for (const pattern of ["#", "a{2}", "}", ",", ":", "#(x)"]) expect(isFormatSafe(pattern)).toBe(false);
    expect(isFormatSafe("^ *Enter to (confirm|select)")).toBe(true);
  });
});
