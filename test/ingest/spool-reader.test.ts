import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSpooled, pruneSpool, readSpool, removeSpooled } from "../../src/server/ingest/spool-reader.js";

const BOUNDS = { spoolMs: 24 * 3_600_000, spoolBytes: 16 * 1024 * 1024 };

const ALL = { maxFiles: 1000, maxBytes: 1 << 30 };
const MICROS = 1000;

function nameOf(time: number): string {
  const id = `00000000-0000-4000-8000-${String(time).padStart(12, "0")}`;
  return `${String(time).padStart(20, "0")}-${id}.json`;
}

function request(eventType: string): string {
  return JSON.stringify({
    events: [
      {
        eventId: "8c8ab2c4-0000-4000-8000-000000000000",
        eventType,
        agentType: "claude",
        source: "SIGNAL_SOURCE_HOOK",
        eventTimeUnixNs: "1700000000000000000",
        rawPayload: Buffer.from("{}").toString("base64"),
        parentPids: ["1", "2"],
        fieldOfALaterVersion: 1,
      },
    ],
  });
}

function sparse(path: string): void {
  writeFileSync(path, "");
  truncateSync(path, 2 ** 40);
}

describe("a spool", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "agtmux-spool-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const write = (time: number, text = request(`E${time}`)): string => {
    const path = join(dir, nameOf(time));
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const reasons = (): string[] =>
    readdirSync(join(dir, "rejected"))
      .filter((name) => name.endsWith(".reason"))
      .map((name) => readFileSync(join(dir, "rejected", name), "utf8").trim());

  it("is read in the order of its events' times, whatever the order of writing", async () => {
    for (const time of [30, 9, 200, 1]) write(time);
    const files = await readSpool(dir, ALL);
    expect(files.map(({ envelopes }) => envelopes[0]?.eventType)).toEqual(["E1", "E9", "E30", "E200"]);
    expect(
      files.every(({ error, envelopes }) => error === undefined && envelopes[0]?.spooled === false),
    ).toBe(true);
    expect(files[0]?.envelopes[0]?.parentPids).toEqual([1n, 2n]);
  });

  it("tells when each file was written", async () => {
    const path = write(1);
    utimesSync(path, 1_700_000_000.5, 1_700_000_000.5);
    expect((await readSpool(dir, ALL))[0]?.mtimeMicros).toBe(1_700_000_000_500_000);
  });

  it("is read in steps, the first files again until they are removed", async () => {
    for (let time = 1; time <= 5; time++) write(time);
    const first = await readSpool(dir, { maxFiles: 2, maxBytes: 1 << 20 });
    expect(first.map(({ name }) => name)).toEqual([nameOf(1), nameOf(2)]);
    expect(await readSpool(dir, { maxFiles: 2, maxBytes: 1 << 20 })).toEqual(first);
    for (const { path } of first) await removeSpooled(path);
    await removeSpooled(first[0]?.path ?? "");
    expect((await readSpool(dir, { maxFiles: 9, maxBytes: 1 })).map(({ name }) => name)).toEqual([nameOf(3)]);
  });

  it("that is not there is an empty one", async () => {
    expect(await readSpool(join(dir, "none"), ALL)).toEqual([]);
    expect(await pruneSpool(join(dir, "none"), 0, BOUNDS)).toEqual({ tooOld: 0, tooMany: 0, unfinished: 0 });
  });

  it("leaves alone what a hook has not renamed yet", async () => {
    writeFileSync(join(dir, `.${nameOf(1)}.tmp`), "{");
    expect(await readSpool(dir, ALL)).toEqual([]);
    expect(existsSync(join(dir, "rejected"))).toBe(false);
  });

  it.each<[string, (path: string) => void]>([
    ["not JSON", (path) => writeFileSync(path, request("x").slice(0, 50))],
    ["not JSON", (path) => writeFileSync(path, "")],
    ["not an IngestEvents request", (path) => writeFileSync(path, Buffer.from([0xff, 0xfe]))],
    ["not an IngestEvents request", (path) => writeFileSync(path, '{"events":[{"eventTimeUnixNs":"x"}]}')],
    ["not an IngestEvents request", (path) => writeFileSync(path, '{"events":[{"rawPayload":"%%"}]}')],
    ["not an IngestEvents request", (path) => writeFileSync(path, "[]")],
    ["no event in it", (path) => writeFileSync(path, "{}")],
    [
      "more than 100 events in it",
      (path) => writeFileSync(path, JSON.stringify({ events: Array(101).fill({}) })),
    ],
    ["says itself that it is spooled", (path) => writeFileSync(path, '{"events":[{"spooled":true}]}')],
    ["larger than 1048576 bytes", (path) => writeFileSync(path, Buffer.alloc(1024 * 1024 + 1))],
    ["larger than 1048576 bytes", (path) => sparse(path)],
    ["a symbolic link", (path) => symlinkSync("/etc/passwd", path)],
    ["a symbolic link", (path) => symlinkSync("nowhere", path)],
    ["not a regular file", (path) => mkdirSync(path)],
    ["not a regular file", (path) => execFileSync("mkfifo", [path])],
  ])("sets aside a file that is %s, says so, and reads on", async (reason, make) => {
    make(join(dir, nameOf(1)));
    write(2);
    const files = await readSpool(dir, ALL);
    expect(files.map(({ error }) => error)).toEqual([reason, undefined]);
    expect(files[0]?.envelopes).toEqual([]);
    expect(files[1]?.envelopes).toHaveLength(1);
    expect(readdirSync(dir).sort()).toEqual([nameOf(2), "rejected"]);
    if (!reason.startsWith("larger")) expect(reasons()).toEqual([reason]);
    expect((await readSpool(dir, ALL)).map(({ error }) => error)).toEqual([undefined]);
  });

  it("sets aside a socket", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(dir, nameOf(1)), resolve));
    expect((await readSpool(dir, ALL))[0]?.error).toBe("a socket");
    server.close();
  });

  it.runIf(process.getuid?.() === 0)("sets aside a file of another user", async () => {
    chownSync(write(1), 12345, 12345);
    expect((await readSpool(dir, ALL))[0]?.error).toBe("owned by another user");
  });

  it.each([
    ["of another form", Buffer.from("x.json")],
    ["that would be read by its end", Buffer.from("a.reason")],
    ["with escape sequences", Buffer.from("\u001b]0;x\u0007\n")],
    ["that is not UTF-8", Buffer.from([0xff, 0xfe, 0x41])],
    ["that is an option", Buffer.from("-rf")],
  ])("sets aside a name %s", async (_name, name) => {
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), name]), "x");
    expect((await readSpool(dir, ALL))[0]?.error).toBe("not the name of a spooled event");
    expect(readdirSync(dir)).toEqual(["rejected"]);
    expect(readdirSync(join(dir, "rejected")).every((kept) => /^[\w.-]+$/u.test(kept))).toBe(true);
  });

  it("keeps at most 100 rejected files and 1 MiB of them", async () => {
    for (let file = 0; file < 130; file++) writeFileSync(join(dir, `bad${file}`), "x");
    await readSpool(dir, ALL);
    expect(readdirSync(join(dir, "rejected"))).toHaveLength(200);
    for (let file = 0; file < 5; file++) writeFileSync(join(dir, `bad${file}`), Buffer.alloc(400_000));
    await readSpool(dir, ALL);
    expect(reasons().length).toBeLessThanOrEqual(3);
  });

  it("goes on when something else has taken the name of the folder for rejected files", async () => {
    writeFileSync(join(dir, "rejected"), "x");
    writeFileSync(join(dir, "bad"), "x");
    write(2);
    expect((await readSpool(dir, ALL)).map(({ error }) => error === undefined)).toEqual([true, false]);
    expect(readdirSync(dir).sort()).toEqual([nameOf(2), "rejected"]);
  });

  it("is pruned of what is older than 24 h, and of temporary files nobody will finish", async () => {
    const now = Date.now() * MICROS;
    const old = write(1);
    utimesSync(old, Date.now() / 1000 - 86_401, Date.now() / 1000 - 86_401);
    write(2);
    for (const [name, age] of [
      [`.${nameOf(3)}.tmp`, 61],
      [`.${nameOf(4)}.tmp`, 5],
    ] as const) {
      writeFileSync(join(dir, name), "");
      utimesSync(join(dir, name), Date.now() / 1000 - age, Date.now() / 1000 - age);
    }
    expect(await pruneSpool(dir, now, BOUNDS)).toEqual({ tooOld: 1, tooMany: 0, unfinished: 1 });
    expect(readdirSync(dir).sort()).toEqual([`.${nameOf(4)}.tmp`, nameOf(2)].sort());
  });

  it("is pruned to 16 MiB, the oldest events first", async () => {
    for (let time = 1; time <= 20; time++) write(time, "x".repeat(1024 * 1024));
    expect(await pruneSpool(dir, Date.now() * MICROS, BOUNDS)).toEqual({
      tooOld: 0,
      tooMany: 4,
      unfinished: 0,
    });
    expect(readdirSync(dir).sort()[0]).toBe(nameOf(5));
  });

  it("does not lose an event to a file that is unreadable for the moment", async () => {
    write(1);
    if (process.getuid?.() !== 0) {
      chmodSync(dir, 0o600);
      await expect(readSpool(dir, ALL)).rejects.toThrow(/EACCES/u);
      chmodSync(dir, 0o700);
    }
    expect(await readSpool(dir, ALL)).toHaveLength(1);
  });
});

describe("a spool file's text", () => {
  it("never throws, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const parsed = parseSpooled(bytes);
          expect("error" in parsed || parsed.envelopes.length > 0).toBe(true);
        },
      ),
    );
    expect(parseSpooled(Buffer.from("[".repeat(500_000)))).toHaveProperty("error");
  });

  it("does not show up in the reason it is refused for", () => {
    const parsed = parseSpooled(Buffer.from('{"events":[{"eventType":{"secret":1}}]}'));
    expect(JSON.stringify(parsed)).not.toContain("secret");
  });
});
