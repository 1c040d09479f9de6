import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdapterRegistry } from "../../src/server/adapters/registry.js";
import { EventLogError, HEADER, parseEventLog } from "../../src/server/replay/event-log.js";
import { exportLog, replay } from "../../src/server/replay/replay.js";
import { LogReader } from "../../src/server/store/log-reader.js";
import { history } from "../engine/random-events.js";
import { JournalLab, prepared, runtimeRecord, START } from "../ingest/journal-harness.js";
import { holds } from "../support/property.js";

const BUILT = join(import.meta.dirname, "..", "..", process.env["AGTMUX_TEST_DIST"] ?? "dist", "agtmuxd.mjs");

const record = runtimeRecord();
const hints = { agentType: "claude", targetIds: ["host"], parentPids: [], runtimeId: record.runtimeId };
const registry = new AdapterRegistry();

function exported(lab: JournalLab): string {
  const reader = new LogReader(lab.path);
  const text = [...exportLog(reader)].join("\n");
  reader.close();
  return text;
}

describe("replay", () => {
  it("TC-006 makes of an exported event log the states that the daemon stored, in any order of its lines", () => {
    const shuffled = history(hints, 25).chain((events) =>
      fc.tuple(fc.constant(events), fc.infiniteStream(fc.nat())),
    );
    holds(
      fc.property(shuffled, ([events, places]) => {
        const lab = new JournalLab();
        try {
          lab.open(record);
          for (const { prepared: event, ingestedAt } of events) lab.accept([event], ingestedAt);
          const [header = "", ...lines] = exported(lab).split("\n");
          const disordered = lines
            .map((line) => ({ line, place: places.next().value ?? 0 }))
            .sort((a, b) => a.place - b.place);
          const log = parseEventLog([header, ...disordered.map(({ line }) => line)].join("\n"));
          const [replayed] = replay(log, (type) => registry.find(type));
          expect(replayed).toMatchObject({
            differs: [],
            status: { state: lab.status(record.runtimeId).state },
          });
        } finally {
          lab.close();
        }
      }),
      60,
    );
  });

  it("starts from the base that retention left", () => {
    const lab = new JournalLab();
    try {
      lab.open(record);
      lab.accept([prepared({ eventTime: START }), prepared({ eventTime: START + 1 })], START);
      lab.journal.transaction(() => lab.journal.forget(record.runtimeId, START + 10, 10));
      const [replayed] = replay(parseEventLog(exported(lab)), (type) => registry.find(type));
      expect(replayed).toMatchObject({ events: 0, status: { state: "running" }, differs: [] });
    } finally {
      lab.close();
    }
  });

  it.each([
    ["", "line 1: is not a JSON object"],
    ['{"format":"other"}', "line 1: must be"],
    [`${JSON.stringify(HEADER)}\nnonsense`, "line 2: is not a JSON object"],
    [`${JSON.stringify(HEADER)}\n{"state":{}}`, 'line 2: must have "runtime" or "event"'],
    [`${JSON.stringify(HEADER)}\n{"runtime":{"runtimeId":1}}`, "line 2: runtimeId must be a string"],
    [`${JSON.stringify(HEADER)}\n{"event":{"source":"moon"}}`, "line 2: source must be"],
  ])("refuses what is no event log: %j", (text, message) => {
    expect(() => parseEventLog(text)).toThrow(EventLogError);
    expect(() => parseEventLog(text)).toThrow(message);
  });
});

describe("agtmuxd export and agtmuxd replay", () => {
  let lab: JournalLab;
  let directory: string;
  beforeEach(() => {
    lab = new JournalLab();
    directory = mkdtempSync(join(tmpdir(), "agtmux-replay-"));
  });
  afterEach(() => {
    lab.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function agtmuxd(...words: string[]) {
    const env = { PATH: process.env["PATH"] ?? "", HOME: directory, AGTMUX_STATE_DIR: lab.directory };
    return spawnSync(process.execPath, [BUILT, ...words], { env, encoding: "utf8", timeout: 20_000 });
  }

  it("write the log of a daemon's database and say that its states are what its events make", () => {
    lab.open(record);
    lab.accept([prepared({ hints, transition: { kind: "prompt" } })]);
    const log = agtmuxd("export");
    expect(log.stderr).toBe("");
    const file = join(directory, "log.jsonl");
    writeFileSync(file, log.stdout);
    const { status, stdout } = agtmuxd("replay", file);
    expect(status).toBe(0);
    const [line = "", hash = ""] = stdout.split("\n");
    expect(JSON.parse(line)).toMatchObject({ runtimeId: record.runtimeId, state: "running", differs: [] });
    expect(JSON.parse(hash)).toEqual({ state_hash: lab.hash() });
  });

  it("end with 1 and name the fields when a stored state is not what its events make", () => {
    lab.open(record);
    lab.accept([prepared({ hints })]);
    lab.write("UPDATE states SET state = 'idle'");
    const file = join(directory, "log.jsonl");
    writeFileSync(file, agtmuxd("export").stdout);
    const { status, stdout } = agtmuxd("replay", file);
    expect(status).toBe(1);
    expect(JSON.parse(stdout.split("\n")[0] ?? "")).toMatchObject({ differs: ["state"] });
  });

  it("end with 2 on bad usage and with 3, saying why, on a file that is none", () => {
    expect(agtmuxd("replay").status).toBe(2);
    expect(agtmuxd("export", "--moon").status).toBe(2);
    const missing = agtmuxd("replay", join(directory, "missing"));
    expect([missing.status, missing.stderr]).toEqual([3, expect.stringContaining("no such file")]);
  });
});
