import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keyKind } from "../../src/server/actions/keys.js";
import { holds } from "../support/property.js";
import { createPrivateServer, type PrivateServer } from "../tmux/private-server.js";

const letters = [..."abcdefghijklmnopqrstuvwxyz"];
const digits = [..."0123456789"];
const moves = ["Up", "Down", "Left", "Right", "Home", "End"];

const HARMLESS = ["PPage", "PageUp", "NPage", "PageDown", "C-l"];

const ANSWERING = [
  ...["Enter", "Escape", "Tab", "BTab", "S-Tab", "M-Enter", "Space", "BSpace"],
  ...["IC", "Insert", "DC", "Delete"],
  ...moves,
  ...moves.flatMap((move) => [`S-${move}`, `C-${move}`, `M-${move}`]),
  ...Array.from({ length: 12 }, (_, index) => `F${index + 1}`),
  ...letters,
  ...letters.map((letter) => letter.toUpperCase()),
  ...digits,
  ...letters.filter((letter) => !"cdzsql".includes(letter)).map((letter) => `C-${letter}`),
  ...letters.map((letter) => `M-${letter}`),
];

/** Ends or stops a program, or reaches more than the pane, or is no key that tmux knows: refused. */
const REFUSED = [
  ...["C-c", "C-d", "C-z", "C-\\", "C-s", "C-q"],
  // The same bytes by other names.
  ...[
    "^C",
    "^c",
    "C-C",
    "c-c",
    "C-C-c",
    "C-M-c",
    "M-C-c",
    "S-C-c",
    "C-S-c",
    "0x3",
    "0x03",
    "\u0003",
    "C-[",
    "C-?",
  ],
  ...[
    "",
    " ",
    "  ",
    "F0",
    "F13",
    "F20",
    "enter",
    "ENTER",
    "Return",
    "Ctrl-a",
    "KPEnter",
    "MouseDown1Pane",
    "Any",
  ],
  ...[
    "-l",
    "-R",
    "-X",
    "-t",
    "-N",
    "Enter;",
    "Enter ;",
    ";",
    "\\;",
    "a b",
    "ab",
    "hello",
    "1 2",
    "Up Down",
    "Enter\n",
  ],
  ...["é", "ａ", "%", "#", "{", "}", "'", '"', "$", "`", "~", "/", "-", "#{pane_id}", "#(id)"],
];

let server: PrivateServer;
beforeAll(() => {
  server = createPrivateServer();
  server.start("new-session", "-d", "-x", "80", "exec sleep 100000");
});
afterAll(() => server.dispose());

describe("TC-027 the keys that may be sent", () => {
  it.each(HARMLESS)("%s can answer nothing", (name) => {
    expect(keyKind(name)).toBe("harmless");
  });

  it("are these, and each of them can answer", () => {
    expect(ANSWERING.filter((name) => keyKind(name) !== "answering")).toEqual([]);
    expect(new Set([...ANSWERING, ...HARMLESS]).size).toBe(ANSWERING.length + HARMLESS.length);
  });

  it("are none that end or stop a program, that are options or commands of tmux, nor text", () => {
    expect(REFUSED.filter((name) => keyKind(name) !== undefined)).toEqual([]);
  });

  it("are no others, whatever name is tried", () => {
    const known = new Set([...ANSWERING, ...HARMLESS]);
    const parts = ["C-", "M-", "S-", "^", "F", "-", "Enter", "Up", "l", "c", "1", " ", ";"];
    const name = fc.oneof(
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.array(fc.constantFrom(...parts), { maxLength: 4 }).map((words) => words.join("")),
    );
    holds(
      fc.property(name, (tried) => {
        expect(keyKind(tried) !== undefined).toBe(known.has(tried));
      }),
      2_000,
    );
  });

  it("are each one key to tmux, and never text that it types letter by letter", async () => {
    for (const name of [...ANSWERING, ...HARMLESS]) {
      // A name that tmux does not know, bind-key refuses and send-keys would type as it stands.
      expect([name, server.tmux("bind-key", "-T", "probe", name, "refresh-client")]).toEqual([name, ""]);
    }
    expect(() => server.tmux("bind-key", "-T", "probe", "hello", "refresh-client")).toThrow(/unknown key/u);
  });
});
