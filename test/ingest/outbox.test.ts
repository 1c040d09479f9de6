import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import { type Kept, Outbox } from "../../src/server/ingest/outbox.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import { StoreFault } from "../../src/server/store/fault.js";
import { damage, fill, useConnections } from "../store/captured-connections.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const connection = useConnections();
const record = runtimeRecord();

/** A signal that the daemon read itself; as long as half a page, so that each needs room of its own. */
let made = 0;
function signal(more: Partial<PreparedEvent> = {}): PreparedEvent {
  made += 1;
  return prepared({
    source: "native",
    channel: "session_file",
    hints: { agentType: "claude", targetIds: ["host"], runtimeId: record.runtimeId, parentPids: [] },
    dedupeKey: `${made} ${"x".repeat(3_000)}`,
    ...more,
  });
}

describe("the outbox", () => {
  const fault = (): never => {
    throw new StoreFault("disk_full", "SQLITE_FULL", 250);
  };
  const entries = (count: number, onLost = vi.fn()): Kept[] =>
    Array.from({ length: count }, (_, at) => ({ event: signal(), ingestedAt: START + at, onLost }));

  it("keeps everything while the store refuses, and gives it in the order in which it came, in batches", () => {
    const stored: Kept[][] = [];
    const store = vi.fn((batch: readonly Kept[]) => void stored.push([...batch]));
    const outbox = new Outbox(store);
    const all = entries(1_200);
    outbox.keep(all.slice(0, 700));
    store.mockImplementationOnce(fault);
    expect(() => outbox.storeSome()).toThrow(StoreFault);
    outbox.keep(all.slice(700));
    expect(outbox.size).toBe(1_200);
    while (outbox.size > 0) outbox.storeSome();
    expect(stored.map((batch) => batch.length)).toEqual([500, 500, 200]);
    expect(stored.flat()).toEqual(all);
  });

  it("is bounded: the oldest go, and it is told how many", () => {
    const stored: Kept[] = [];
    const outbox = new Outbox((batch) => void stored.push(...batch), 10);
    const all = entries(25);
    for (const entry of all) outbox.keep([entry]);
    expect([outbox.size, outbox.takeDropped(), outbox.takeDropped()]).toEqual([10, 15, 0]);
    outbox.storeSome();
    expect(stored).toEqual(all.slice(15));
  });

  it("gives up what cannot be stored at all, tells its maker, and stores the others once", () => {
    const onLost = vi.fn();
    const [before, bad, after] = entries(3, onLost);
    if (before === undefined || bad === undefined || after === undefined) throw new Error("three");
    const stored: Kept[] = [];
    const outbox = new Outbox((batch) => {
      if (batch.includes(bad)) throw new Error("a defect");
      stored.push(...batch);
    });
    outbox.keep([before, bad, after]);
    outbox.storeSome();
    expect(stored).toEqual([before, after]);
    expect(onLost.mock.calls).toEqual([[new Error("a defect")]]);
    expect(outbox.size).toBe(0);
  });

  it("keeps the rest if the store refuses while it looks for what cannot be stored", () => {
    const all = entries(3);
    const store = vi.fn((batch: readonly Kept[]) => {
      if (batch.length > 1) throw new Error("one of them");
    });
    store.mockImplementationOnce(() => {
      throw new Error("one of them");
    });
    store.mockImplementationOnce(() => undefined);
    store.mockImplementationOnce(fault);
    const outbox = new Outbox(store);
    outbox.keep(all);
    expect(() => outbox.storeSome()).toThrow(StoreFault);
    expect(outbox.size).toBe(2);
  });
});

describe("TC-052 while the store refuses", () => {
  let lab: JournalLab;
  let now: number;
  let commit: GroupCommit;
  let lost: unknown[];
  beforeEach(() => {
    vi.useFakeTimers();
    lab = new JournalLab();
    lab.open(record);
    now = START + 1_000_000;
    lost = [];
    commit = new GroupCommit(lab.journal, () => now, 20);
  });
  afterEach(() => {
    commit.flush();
    lab.close();
    vi.useRealTimers();
  });

  const keep = (...events: PreparedEvent[]) => commit.keep(events, (error) => lost.push(error));
  const ids = (events: readonly PreparedEvent[]): string[] => events.map(({ eventId }) => eventId);
  /** Ids on disk in the order in which they were stored, with their ingestion times. */
  const onDisk = (): [string, number][] => {
    const db = lab.connect();
    const rows = db.prepare("SELECT event_id, ingested_at FROM events ORDER BY rowid").raw().all();
    db.close();
    return rows as [string, number][];
  };

  it("what the daemon made is stored later as if nothing had been: same ids, order, times and states", async () => {
    const kinds = ["prompt", "permission", "activity", "stop", "prompt"];
    const events = kinds.map((kind, at) =>
      signal({
        eventTime: START + 2_000_000 + at,
        transition: { kind, attributes: { agents: 0, shells: 0 } },
      }),
    );
    const disk = fill(connection());
    const times: number[] = [];
    for (const event of events) {
      // Long enough that events taken at the time of their storing would lose their order.
      now += 60_000_000;
      times.push(now);
      const kept = keep(event);
      await vi.advanceTimersByTimeAsync(60_000);
      await kept;
    }
    expect(commit.behind).toBe(true);
    expect(onDisk()).toEqual([]);
    now += 60_000_000;
    disk.free();
    await vi.advanceTimersByTimeAsync(2_500);
    expect(commit.behind).toBe(false);
    expect(onDisk()).toEqual(events.map(({ eventId }, at) => [eventId, times[at]]));
    expect(lost).toEqual([]);

    const calm = new JournalLab();
    calm.open(record);
    events.forEach((event, at) => {
      calm.accept([event], times[at]);
    });
    expect(lab.hash()).toBe(calm.hash());
    calm.close();
  });

  it("what callers sent is refused at once and not on disk", async () => {
    const disk = fill(connection());
    const answers = [keep(signal(), signal()), commit.submit([signal()]), keep(signal())];
    const settled = Promise.allSettled(answers);
    await vi.advanceTimersByTimeAsync(1);
    expect((await settled).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    const refused = expect(commit.submit([signal()])).rejects.toBeInstanceOf(StoreFault);
    await vi.advanceTimersByTimeAsync(1);
    await refused;
    expect(onDisk()).toEqual([]);
    disk.free();
  });

  it("much is stored in small parts, and what callers send meanwhile goes behind all of it", async () => {
    commit = new GroupCommit(lab.journal, () => now, 2_000);
    connection().pragma("query_only = ON");
    const own = Array.from({ length: 1_200 }, () => signal({ dedupeKey: crypto.randomUUID() }));
    for (const event of own) void keep(event);
    await vi.advanceTimersByTimeAsync(1);
    connection().pragma("query_only = OFF");
    const call = signal();
    const commits: number[] = [];
    const answers: unknown[] = [];
    lab.journal.onCommit(({ events }) => {
      if (commits.length === 0) void commit.submit([call]).then((outcomes) => answers.push(...outcomes));
      commits.push(events.length);
    });
    await vi.advanceTimersByTimeAsync(500);
    expect(commits).toEqual([500, 500, 200, 1]);
    expect(onDisk().map(([id]) => id)).toEqual(ids([...own, call]));
    expect(answers).toMatchObject([{ kind: "accepted" }]);
  });

  it("the store is tried seldom, and not at all in between", async () => {
    const other = new SqliteDatabase(lab.path);
    other.exec("BEGIN IMMEDIATE");
    // SQLite waits by a clock of its own, which nobody can fake.
    connection().pragma("busy_timeout = 0");
    const transaction = vi.spyOn(lab.journal, "transaction");
    await Promise.all([keep(signal()), vi.advanceTimersByTimeAsync(1)]);
    await vi.advanceTimersByTimeAsync(20_000);
    // 250 ms, 500 ms, 1 s, then every 2 s; a timer may come a moment early and be sent back unasked.
    expect(transaction.mock.calls.length).toBeGreaterThanOrEqual(11);
    expect(transaction.mock.calls.length).toBeLessThanOrEqual(26);
    other.exec("ROLLBACK");
    other.close();
    await vi.advanceTimersByTimeAsync(2_100);
    expect(onDisk()).toHaveLength(1);
  });

  it("too much is bounded; who made it is told to look anew, once, when the store takes writes again", async () => {
    const gaps = vi.fn();
    const end = commit.onGap(gaps);
    const disk = fill(connection());
    const events = Array.from({ length: 30 }, () => signal());
    for (const event of events) await Promise.all([keep(event), vi.advanceTimersByTimeAsync(1)]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(gaps).not.toHaveBeenCalled();
    disk.free();
    await vi.advanceTimersByTimeAsync(2_500);
    expect(onDisk().map(([id]) => id)).toEqual(ids(events.slice(10)));
    expect(gaps).toHaveBeenCalledTimes(1);
    end();
  });

  it("because it is damaged, all is kept as far as there is room, and nothing is tried again", async () => {
    const transaction = vi.spyOn(lab.journal, "transaction");
    damage(connection());
    await Promise.all([keep(signal()), vi.advanceTimersByTimeAsync(1)]);
    const tried = transaction.mock.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(transaction.mock.calls.length).toBe(tried);
    expect(commit.behind).toBe(true);
  });
});

describe("a signal that cannot be stored at all", () => {
  it("is told to its maker and costs no other one, not even a caller's", async () => {
    const lab = new JournalLab();
    lab.open(record);
    lab.write(
      "CREATE TRIGGER refuse BEFORE INSERT ON events WHEN NEW.event_type = 'Bad' BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    const commit = new GroupCommit(lab.journal, () => START + 5);
    const lost: string[] = [];
    const note = (error: unknown): void => void lost.push(String(error));
    await Promise.all([
      commit.keep([signal()], note),
      commit.keep([signal({ eventType: "Bad" })], note),
      commit.keep([signal()], note),
    ]);
    await vi.waitFor(() => expect(commit.behind).toBe(false));
    expect(lost).toEqual(["SqliteError: refused"]);
    expect(lab.store.events.list({ limit: 10 })).toHaveLength(2);
    await expect(commit.submit([signal()])).resolves.toMatchObject([{ kind: "accepted" }]);
    lab.close();
  });
});
