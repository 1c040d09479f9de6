import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SignalSource } from "../../gen/agtmux/v1/common_pb.js";
import { type HookRun, HookScriptHost, ok, SHELLS } from "./hook-script-host.js";

const PAYLOAD = JSON.stringify({ session_id: "s1", hook_event_name: "Stop", text: 'ünï "quoted"\n' });
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u;

/**
 * The script's own bounds add up to 0.8 s of its promised second. A machine whose cores are taken adds to that; a bound
 * that is missing shows as a run that does not end at all.
 */
const ENDS_MS = 3_000;

/** The promise that every run must keep. */
function expectSilent(run: HookRun): void {
  expect({ code: run.code, stdout: run.stdout, stderr: run.stderr }).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  expect(run.milliseconds).toBeLessThan(ENDS_MS);
}

describe.each(SHELLS)("the hook script in $name", ({ command: shell }) => {
  let host: HookScriptHost;
  beforeEach(() => {
    host = new HookScriptHost();
  });
  afterEach(() => host.close());

  it("tells the daemon what, when, and from which pane and processes, and leaves no file", async () => {
    const events = await host.reader("local", ok);
    const before = BigInt(Date.now()) * 1_000_000n;
    const run = await host.run({
      shell,
      stdin: PAYLOAD,
      env: { TMUX: "/tmp/tmux-0/with, comma,4711,0", TMUX_PANE: "%12", CLAUDE_PID: "99" },
    });
    expectSilent(run);
    expect(events).toHaveLength(1);
    const [event] = events;
    expect(event).toMatchObject({
      eventType: "Stop",
      agentType: "claude",
      source: SignalSource.HOOK,
      paneId: "%12",
      pid: 99n,
      truncated: false,
      spooled: false,
    });
    expect(event?.tmux).toMatchObject({ socketPath: "/tmp/tmux-0/with, comma", serverPid: 4711n });
    expect(event?.eventId).toMatch(UUID);
    expect(Buffer.from(event?.rawPayload ?? []).toString("utf8")).toBe(PAYLOAD);
    expect(event?.parentPids[0]).toBe(BigInt(process.pid));
    expect(event?.parentPids[1]).toBe(BigInt(process.ppid));
    if (event?.eventTimeResolutionNs === 1n) {
      expect(event.eventTimeUnixNs).toBeGreaterThanOrEqual(before);
      expect(event.eventTimeUnixNs).toBeLessThan(BigInt(Date.now() + 1) * 1_000_000n);
    } else expect(event?.eventTimeResolutionNs).toBe(1_000_000_000n);
    expect(host.spooled("local")).toEqual([]);
  });

  it("drops a socket path with unexpected characters, and with it the pane id that needs it", async () => {
    const events = await host.reader("local", ok);
    expectSilent(await host.run({ shell, env: { TMUX: '/tmp/a"b,1,0', TMUX_PANE: "%1" } }));
    expect(events[0]).toMatchObject({ paneId: "" });
    expect(events[0]?.tmux).toBeUndefined();
  });

  it("works outside tmux", async () => {
    const events = await host.reader("local", ok);
    expectSilent(await host.run({ shell, stdin: PAYLOAD }));
    expect(events[0]).toMatchObject({ paneId: "", agentType: "claude" });
    expect(events[0]?.parentPids.length).toBeGreaterThan(0);
  });

  it("takes a notify program's payload from the command line and does not wait for stdin", async () => {
    const events = await host.reader("local", ok);
    const payload = '{"type":"agent-turn-complete","x":"$(touch canary) `id` \\\\"}';
    const run = await host.run({ shell, stdin: "open", args: ["notify", "codex", payload] });
    expectSilent(run);
    expect(events[0]).toMatchObject({ eventType: "notify", agentType: "codex", source: SignalSource.NOTIFY });
    expect(Buffer.from(events[0]?.rawPayload ?? []).toString("utf8")).toBe(payload);
    expect(events[0]?.pid).toBeUndefined();
  });

  it("names Claude's process only for Claude's own hooks", async () => {
    const events = await host.reader("local", ok);
    await host.run({ shell, args: ["codex", "Stop"], env: { CLAUDE_PID: "99" } });
    expect(events[0]?.pid).toBeUndefined();
  });

  it.each([
    ["an error", 500],
    ["another success than 200", 204],
    ["a redirect", 302],
  ])("leaves one file where the daemon answers with %s", async (_name, status) => {
    const events = await host.reader("local", (_request, response) => {
      response.writeHead(status, { location: "http://localhost/x" }).end();
    });
    expectSilent(await host.run({ shell, stdin: PAYLOAD }));
    const files = host.spooled("local");
    expect(files).toHaveLength(1);
    const [file] = files;
    expect(file?.event).toEqual(events[0]);
    expect(file?.name).toBe(
      `${String(file?.event.eventTimeUnixNs).padStart(20, "0")}-${file?.event.eventId}.json`,
    );
    expect(lstatSync(join(host.stateDir, "spool.d", "local", file?.name ?? "")).mode & 0o777).toBe(0o600);
    expect(existsSync(join(host.stateDir, "ingest.d", "local.slow"))).toBe(false);
  });

  it("costs an agent one pause with a daemon that hangs: for 30 s the next hooks spool at once", async () => {
    const seen = await host.reader("local", () => undefined);
    expectSilent(await host.run({ shell }));
    expect(seen).toHaveLength(1);
    const second = await host.run({ shell });
    expectSilent(second);
    expect(seen).toHaveLength(1);
    expect(host.spooled("local")).toHaveLength(2);
    const stamp = join(host.stateDir, "ingest.d", "local.slow");
    writeFileSync(stamp, `${Number(readFileSync(stamp, "utf8")) - 31}\n`);
    await host.run({ shell });
    expect(seen).toHaveLength(2);
  });

  it("does not take a stamp that is no time for one", async () => {
    const seen = await host.reader("local", ok);
    writeFileSync(join(host.stateDir, "ingest.d", "local.slow"), "a[$(touch canary)]\n");
    expectSilent(await host.run({ shell }));
    expect(seen).toHaveLength(1);
  });

  it("spools for a socket that takes connections and never reads", async () => {
    await host.reader("local");
    const server = createServer().listen(host.socket("local"));
    expectSilent(await host.run({ shell }));
    expect(host.spooled("local")).toHaveLength(1);
    server.close();
  });

  it("spools when no daemon runs, with or without a stale socket", async () => {
    await host.reader("local");
    expectSilent(await host.run({ shell, stdin: PAYLOAD }));
    const path = JSON.stringify(host.socket("local"));
    const die = `require("net").createServer().listen(${path}, () => process.kill(process.pid, "SIGKILL"))`;
    try {
      execFileSync(process.execPath, ["-e", die]);
    } catch {
      // killed itself, as meant: the socket file stays
    }
    expect(lstatSync(host.socket("local")).isSocket()).toBe(true);
    expectSilent(await host.run({ shell, stdin: PAYLOAD }));
    expect(host.spooled("local")).toHaveLength(2);
  });

  it("spools without curl, and sends the event without its payload where nothing else is there", async () => {
    await host.reader("local", ok);
    const all = [
      "cat",
      "head",
      "base64",
      "date",
      "mv",
      "rm",
      "sleep",
      "du",
      "busybox",
      "dash",
      "bash",
      "mksh",
    ];
    expectSilent(await host.run({ shell, stdin: PAYLOAD, env: { PATH: host.pathWith(...all) } }));
    const files = host.spooled("local");
    expect(files).toHaveLength(1);
    expect(Buffer.from(files[0]?.event.rawPayload ?? []).toString("utf8")).toBe(PAYLOAD);
    const events = await host.reader("other", ok);
    expectSilent(await host.run({ shell, stdin: PAYLOAD, env: { PATH: host.pathWith("curl") } }));
    expect(events).toHaveLength(1);
    expect(events[0]?.eventType).toBe("Stop");
  });

  it("posts to the reader that lives and spools for the one that does not", async () => {
    const alive = await host.reader("a-1", ok);
    await host.reader("b_2", (_request, response) => response.writeHead(503).end());
    await host.reader("c");
    expectSilent(await host.run({ shell, stdin: PAYLOAD }));
    expect(alive).toHaveLength(1);
    expect(host.spooled("a-1")).toEqual([]);
    expect(host.spooled("b_2").map(({ event }) => event.eventId)).toEqual([alive[0]?.eventId]);
    expect(host.spooled("c").map(({ event }) => event.eventId)).toEqual([alive[0]?.eventId]);
  });

  it("waits for two daemons that hang no longer than for one", async () => {
    await host.reader("a", () => undefined);
    await host.reader("b", () => undefined);
    expectSilent(await host.run({ shell }));
    expect(host.spooled("a")).toHaveLength(1);
    expect(host.spooled("b")).toHaveLength(1);
  });

  it("does nothing where nobody watches, and follows no folder that is a link or has an odd name", async () => {
    const spools = join(host.stateDir, "spool.d");
    mkdirSync(join(host.root, "elsewhere"));
    symlinkSync(join(host.root, "elsewhere"), join(spools, "link"));
    mkdirSync(join(spools, "a b$(touch canary)"));
    const run = await host.run({ shell, stdin: Buffer.alloc(1_000_000) });
    expectSilent(run);
    expect(run.stdinError).toBe("");
    expect(readdirSync(join(host.root, "elsewhere"))).toEqual([]);
    expect(readdirSync(join(spools, "a b$(touch canary)"))).toEqual([]);
  });

  it("finds the state directory by the environment only where the written one is gone", async () => {
    const events = await host.reader("local", ok);
    const other = new HookScriptHost();
    await other.reader("local");
    expectSilent(await host.run({ shell, env: { AGTMUX_STATE_DIR: other.stateDir } }));
    expect(events).toHaveLength(1);
    writeFileSync(join(host.root, "kept"), readFileSync(host.script), { mode: 0o700 });
    rmSync(host.stateDir, { recursive: true });
    mkdirSync(host.stateDir.replace(/[^/]*$/u, "x"), { recursive: true });
    const moved = Object.assign(Object.create(host), { script: join(host.root, "kept") });
    expectSilent(await moved.run({ shell, env: { AGTMUX_STATE_DIR: other.stateDir } }));
    expect(other.spooled("local")).toHaveLength(1);
    await other.close();
  });

  it.each([
    ["as it is at 256 KiB", 262_144, 262_144, false],
    ["cut at one byte more", 262_145, 262_143, true],
    ["cut at 10 MB", 10_000_000, 262_143, true],
  ])("sends a payload %s", async (_name, bytes, sent, truncated) => {
    const events = await host.reader("local", ok);
    const payload = Buffer.alloc(bytes, "abcdefghijklmnopqrstuvwxyz\n");
    const run = await host.run({ shell, stdin: payload });
    expectSilent(run);
    expect(run.stdinError).toBe("");
    expect(events[0]).toMatchObject({ truncated });
    expect(Buffer.compare(events[0]?.rawPayload ?? Buffer.of(), payload.subarray(0, sent))).toBe(0);
  });

  it("does not wait for a stdin that is never closed, and keeps what came", async () => {
    const events = await host.reader("local", ok);
    expectSilent(await host.run({ shell, stdin: "open" }));
    expect(events[0]).toMatchObject({ truncated: true });
  });

  it("ends within its second when stdin stays open and the daemon hangs as well", async () => {
    await host.reader("local", () => undefined);
    expectSilent(await host.run({ shell, stdin: "open" }));
    expect(host.spooled("local")).toHaveLength(1);
  });

  it("bears closed stdin, stdout and stderr", async () => {
    const events = await host.reader("local", ok);
    expectSilent(await host.run({ shell, stdin: "closed", closedOutput: true }));
    expectSilent(await host.run({ shell, stdin: PAYLOAD, closedOutput: true }));
    expect(events.map(({ rawPayload }) => rawPayload.length)).toEqual([0, Buffer.byteLength(PAYLOAD)]);
  });

  const hostile = [
    "$(touch canary)",
    "`touch canary`",
    "';touch canary;'",
    '"},{"eventId":"x',
    "a\nb",
    "\u001b]0;x\u0007",
    "*",
    "-n",
    "%n%s",
    "\\",
    "",
    "ü",
    "9".repeat(400),
  ];
  it.each(hostile)("neither runs nor passes on %j", async (value) => {
    const events = await host.reader("local", ok);
    const names = [
      "TMUX",
      "TMUX_PANE",
      "CLAUDE_PID",
      "AGTMUX_STATE_DIR",
      "IFS",
      "EPOCHREALTIME",
      "count",
      "readers",
    ];
    const env = Object.fromEntries(names.map((name) => [name, value]));
    expectSilent(await host.run({ shell, stdin: value, env }));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ eventType: "Stop", paneId: "" });
    expect(events[0]?.tmux).toBeUndefined();
    expect(events[0]?.pid).toBeUndefined();
    const inner = { TMUX: `/tmp/${value},${value},0`, TMUX_PANE: `%${value}` };
    expectSilent(await host.run({ shell, env: inner }));
    expect(events[1]?.tmux).toBeUndefined();
    if (value !== "-n") {
      expectSilent(await host.run({ shell, args: ["claude", value] }));
      expectSilent(await host.run({ shell, args: [value, "Stop"] }));
      expectSilent(await host.run({ shell, args: [value] }));
      expect(events.slice(2).every(({ eventType }) => /^[\w.:-]+$/u.test(eventType))).toBe(true);
    }
    for (const folder of [host.stateDir, host.root, process.cwd()]) {
      expect(existsSync(join(folder, "canary"))).toBe(false);
    }
    expect(host.spooled("local")).toEqual([]);
  });

  it("stops filling a spool folder at 16 MiB", async () => {
    await host.reader("local");
    const folder = join(host.stateDir, "spool.d", "local");
    const full = Buffer.alloc(360 * 1024, "x");
    for (let file = 0; file < 44; file++) writeFileSync(join(folder, `${file}.json`), full);
    await host.run({ shell });
    expect(readdirSync(folder)).toHaveLength(45);
    for (let file = 44; file < 48; file++) writeFileSync(join(folder, `${file}.json`), full);
    await host.run({ shell });
    expect(readdirSync(folder)).toHaveLength(49);
  });

  it("leaves no half-written file where the folder cannot be written to", async () => {
    await host.reader("local");
    rmSync(join(host.stateDir, "spool.d", "local"), { recursive: true });
    writeFileSync(join(host.stateDir, "spool.d", "local"), "");
    expectSilent(await host.run({ shell }));
  });

  it("makes ids that differ and file names that sort in the order of the calls", async () => {
    await host.reader("local");
    for (let call = 0; call < 5; call++) await host.run({ shell, args: ["claude", `Event${call}`] });
    const files = host.spooled("local");
    expect(new Set(files.map(({ event }) => event.eventId)).size).toBe(5);
    if (files[0]?.event.eventTimeResolutionNs === 1n) {
      expect(files.map(({ event }) => event.eventType)).toEqual(
        [0, 1, 2, 3, 4].map((call) => `Event${call}`),
      );
    }
  });
});

describe("the hook script's place", () => {
  it("may have any name, quotes included, and runs by its own first line as agents run it", async () => {
    const host = new HookScriptHost(`it's a "state" $(touch canary) dir`);
    const events = await host.reader("local", ok);
    expectSilent(await host.run({ shell: [], direct: true, stdin: PAYLOAD }));
    expect(events).toHaveLength(1);
    await host.close();
  });
});
