import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import { fromDaemon, fromNative } from "../../src/server/ingest/native-signals.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const record = runtimeRecord();
let lab: JournalLab;
let commits: number;
let commit: GroupCommit;
beforeEach(() => {
  lab = new JournalLab();
  lab.open(record);
  commits = 0;
  lab.journal.onCommit(() => {
    commits += 1;
  });
  commit = new GroupCommit(lab.journal, () => START + 5);
});
afterEach(() => lab.close());

function onDisk(): unknown {
  const db = lab.connect();
  const count = db.prepare("SELECT count(*) FROM events").pluck().get();
  db.close();
  return count;
}

describe("a group commit", () => {
  it("puts everything of one turn on disk together, before any of it is answered", async () => {
    const answers = Array.from({ length: 20 }, async () => {
      const outcomes = await commit.submit([prepared(), prepared()]);
      return [outcomes.map(({ kind }) => kind), onDisk()];
    });
    expect(await Promise.all(answers)).toEqual(answers.map(() => [["accepted", "accepted"], 40]));
    expect(commits).toBe(1);
  });

  it("answers each call with its own outcomes, in order", async () => {
    const event = prepared();
    const [first, second, none] = await Promise.all([
      commit.submit([event]),
      commit.submit([event, prepared()]),
      commit.submit([]),
    ]);
    expect([first, second, none].map((outcomes) => outcomes?.map(({ kind }) => kind))).toEqual([
      ["accepted"],
      ["duplicate", "accepted"],
      [],
    ]);
  });

  it("waits for no timer: what was submitted is answered in the same turn of the event loop", async () => {
    let answered = false;
    void commit.submit([prepared()]).then(() => {
      answered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.resolve();
    expect(answered).toBe(true);
  });

  it("rejects all of it if the store refuses, keeps none of it, and takes the next", async () => {
    lab.write(
      "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.event_type = 'Bad' BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    const before = lab.hash();
    const both = await Promise.allSettled([
      commit.submit([prepared()]),
      commit.submit([prepared({ eventType: "Bad" })]),
    ]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect([onDisk(), lab.hash()]).toEqual([0, before]);
    await expect(commit.submit([prepared()])).resolves.toMatchObject([{ kind: "accepted" }]);
  });

  it("is flushed at will, so that nothing is left at a stop", () => {
    void commit.submit([prepared()]);
    commit.flush();
    expect(onDisk()).toBe(1);
    expect(() => commit.flush()).not.toThrow();
  });

  it("gives its events the time of the commit as theirs", async () => {
    await commit.submit([prepared()]);
    expect(lab.store.events.list({ limit: 1 })[0]?.ingestedAt).toBe(START + 5);
  });
});

describe("a signal that the daemon itself read", () => {
  it("is bounded and filtered before it is stored: the files that agents write are hostile", async () => {
    const secret = "sk-ant-api03-AAAAbbbbCCCCdddd0000";
    const signal = {
      runtimeId: record.runtimeId,
      source: "native",
      channel: "session_file",
      eventType: "status\u001b[31m",
      eventTime: START,
      resolution: 1_000,
      dedupeKey: `${secret}:${"x".repeat(60_000)}`,
      transition: { kind: "session_status", attributes: { status: "busy", waitingFor: `token=${secret}` } },
      agentSessionId: `${secret}${"y".repeat(60_000)}`,
    } as const;
    const event = fromNative(signal, lab.runtime(record.runtimeId));
    expect(JSON.stringify(event).length).toBeLessThan(2_000);
    expect(JSON.stringify(event)).not.toContain("sk-ant");
    await commit.submit([event]);
    const again = fromNative(signal, lab.runtime(record.runtimeId));
    await expect(commit.submit([again])).resolves.toEqual([{ kind: "duplicate" }]);
    expect(lab.status(record.runtimeId).state).toBe("running");
  });

  it("that is the daemon's own fact is an event of its own each time, on the channel of its kind", () => {
    const runtime = lab.runtime(record.runtimeId);
    const down = fromDaemon(runtime, "targetDown", "target_health_changed", START);
    expect(down).toMatchObject({ source: "reconciler", channel: "", transition: { kind: "target_down" } });
    expect(fromDaemon(runtime, "targetDown", "target_health_changed", START).dedupeKey).not.toBe(
      down.dedupeKey,
    );
    expect(fromDaemon(runtime, "suspended", "process", START)).toMatchObject({
      source: "poller",
      channel: "process",
    });
  });
});
