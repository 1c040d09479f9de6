import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCli } from "../../src/client/cli/run.js";
import { fakeIo } from "./support/fake-io.js";

async function run(line: string) {
  const io = fakeIo({ env: { AGTMUX_SOCKET: "/nonexistent/agtmux/d.sock" } });
  const status = await runCli(line === "" ? [] : line.split(" "), io);
  return { status, out: io.stdout.text(), err: io.stderr.text() };
}

describe("bad usage", () => {
  for (const [line, says] of [
    ["frobnicate", "unknown command 'frobnicate'"],
    ["list", "say what: agtmux list panes|windows|sessions"],
    ["list pane", "(Did you mean panes?)"],
    ["list panes --jsn", "(Did you mean --json?); usage: agtmux list panes [options]"],
    ["list panes extra", "too many arguments"],
    ["list panes --state busy", '"busy" is not a state; it is one of unknown, idle, completed'],
    ["list panes --sort size", '"size" is not KEY or KEY:desc with a KEY of identity, state'],
    ["list panes --sort since:up", '"since:up" is not KEY or KEY:desc'],
    ["list panes --ended soon", '"soon" is not a duration; write it as 500ms, 30s, 15m, 2h or 7d'],
    ["list panes --target-session work", '"work" is not TARGET/SESSION'],
    ["list panes --target", "argument missing"],
    ["list sessions --group-by pane", "neither target-session nor session-name"],
    ["watch --scope pane", '"pane" is not panes, windows or sessions'],
    ["watch --format xml", '"xml" is neither table nor jsonl'],
    ["watch --interval 3s", "longer than 2s"],
    ["watch --cursor abc:1", "--cursor needs --format jsonl"],
    ["explain", "missing required argument 'ref'; usage: agtmux explain [options] <ref>"],
    ["events --limit 0", "not a whole number from 1 to 1000"],
    ["events --limit 1e2", "not a whole number from 1 to 1000"],
    ["attach", "missing required argument 'ref'; usage: agtmux attach [options] <ref>"],
    ["send %1", "say what to send, by exactly one of: TEXT, --text TEXT, --stdin, --key NAME"],
    ["send %1 a --text b", "by exactly one of"],
    ["send %1 a --key Enter", "by exactly one of"],
    ["send %1 --stdin --key Enter", "by exactly one of"],
    ["send %1 a b", "too many arguments"],
    ["send %1 --text ", "the text is empty; --key Enter sends Enter alone"],
    ["send %1 --key ", "--key: is empty"],
    ["send %1 --stdin", "--stdin: standard input is empty"],
    ["send %1 --stdin --expect -", "--stdin and --expect - both read standard input"],
    ["send %1 x --if-state busy", '--if-state: "busy" is not a state; it is one of unknown'],
    ["interrupt %1 --if-updated-within soon", '"soon" is not a duration'],
    ["approve %1 --prompt-id ", "--prompt-id: is empty"],
    ["view-output %1 --lines 0", "not a whole number from 1 to 10000"],
    ["view-output %1 --lines 10001", "not a whole number from 1 to 10000"],
    ["kill %1 --signal HUP", '"HUP" is not INT, TERM or KILL'],
    ["kill %1 --mode soft", '"soft" is neither key nor signal'],
    ["kill %1 --mode key --signal TERM", "a key can only be INT, as C-c; TERM is for --mode signal"],
    ["actions --limit 0", "not a whole number from 1 to 1000"],
    ["actions --since soon", '"soon" is not a duration'],
    ["actions --id a --limit 3", "--id names one action; it goes without"],
    ["actions --runtime a --pane %1", "--runtime and --pane: give one of them"],
    ["target add vm1", "--kind is missing: write --kind local or --kind ssh"],
    ["target add vm1 --kind smb", '"smb" is neither'],
    ["hooks", "say what: agtmux hooks install|uninstall|status"],
    ["daemon frob", "unknown command 'frob'; usage: agtmux daemon start|stop|restart|status"],
  ] as const) {
    it(`of "${line}" is told in one line with the right form, and ends with 2`, async () => {
      const { status, out, err } = await run(line);
      expect({ status, out }).toEqual({ status: 2, out: "" });
      expect(err).toContain(says);
      expect(err).toMatch(/^agtmux: [^\n]+ \(E_INVALID_ARGUMENT\)\n$/);
    });
  }

  it("is an object with --json", async () => {
    const { status, err } = await run("list panes --state busy --json");
    expect(status).toBe(2);
    expect(JSON.parse(err)).toEqual({
      schema_version: 1,
      error: {
        code: "E_INVALID_ARGUMENT",
        message: expect.stringContaining("busy"),
        details: { field: "--state" },
        retryable: false,
      },
    });
  });

  it("shows nothing raw of what was typed", async () => {
    const io = fakeIo();
    await runCli(["list", "panes", "--state", "\u001b]52;c;x\u0007bad"], io);
    expect(io.stderr.text()).not.toContain("\u001b");
  });
});

describe("help", () => {
  it("is shown without arguments", async () => {
    const { status, out } = await run("");
    expect(status).toBe(0);
    await expect(out).toMatchFileSnapshot(join(import.meta.dirname, "golden", "help.txt"));
  });

  it("is shown for every command", async () => {
    for (const line of [
      "list --help",
      "list panes --help",
      "help watch",
      "target add --help",
      "send --help",
    ]) {
      const { status, out, err } = await run(line);
      expect({ status, err }).toEqual({ status: 0, err: "" });
      expect(out).toContain("Usage: agtmux ");
    }
  });

  it("names the version", async () => {
    expect(await run("--version")).toEqual({ status: 0, out: "0.1.0\n", err: "" });
  });
});
