import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULTS } from "../../src/server/config.js";
import type { Micros } from "../../src/server/engine/state.js";
import type { Commit } from "../../src/server/ingest/journal.js";
import type { PreparedEvent } from "../../src/server/ingest/prepared-event.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const record = runtimeRecord();
const id = record.runtimeId;
const SECOND = 1_000_000;
let lab: JournalLab;
beforeEach(() => {
  lab = new JournalLab();
  lab.open(record);
});
afterEach(() => lab.close());

/** A signal at so many seconds, accepted at that time. */
function say(kind: string, at: number, more: Partial<PreparedEvent> = {}): PreparedEvent {
  const event = prepared({ eventTime: START + at * SECOND, transition: { kind }, ...more });
  lab.accept([event], START + at * SECOND);
  return event;
}

const daemons = { source: "reconciler" } as const;

interface Shown {
  readonly state: string;
  readonly version: number;
  readonly since: Micros;
  readonly updatedAt: Micros;
}

function shown(): Shown {
  const { status, stateVersion, updatedAt } = lab.runtime(id).state;
  const seconds = (time: Micros): number => (time - START) / SECOND;
  return {
    state: status.state,
    version: stateVersion,
    since: seconds(status.since),
    updatedAt: seconds(updatedAt),
  };
}

describe("what is shown of a state", () => {
  it("begins as unknown, version 1", () => {
    expect(shown()).toEqual({ state: "unknown", version: 1, since: 0, updatedAt: 0 });
  });

  it("moves version and updated_at only with state, reason or prompt, whatever else decides", () => {
    say("prompt", 10);
    expect(shown()).toEqual({ state: "running", version: 2, since: 10, updatedAt: 10 });
    say("activity", 20);
    say("noted", 30);
    expect(shown()).toEqual({ state: "running", version: 2, since: 10, updatedAt: 10 });
    expect(lab.status(id).at).toBe(START + 20 * SECOND);
  });

  it("keeps since over a gap of the target that ends in the same value, while version and updated_at move", () => {
    say("prompt", 10);
    say("target_down", 20, daemons);
    expect(shown()).toEqual({ state: "unknown", version: 3, since: 20, updatedAt: 20 });
    say("target_up", 30, daemons);
    expect(shown()).toEqual({ state: "running", version: 4, since: 10, updatedAt: 30 });
  });

  it("is the same in the next daemon life: state, version, since and updated_at", () => {
    say("prompt", 10);
    say("target_down", 20, daemons);
    const before = shown();
    lab.restart();
    expect(shown()).toEqual(before);
    say("target_up", 30, daemons);
    lab.restart();
    expect(shown()).toEqual({ state: "running", version: 4, since: 10, updatedAt: 30 });
  });

  it("knows the newest sign of life in the next daemon life, and no judgement of the daemon's own as one", () => {
    say("prompt", 10);
    say("activity", 40);
    say("target_down", 50, daemons);
    say("Unheard", 60, { transition: undefined });
    expect(lab.runtime(id).fold.sign).toBe(START + 40 * SECOND);
    lab.restart();
    expect(lab.runtime(id).fold.sign).toBe(START + 40 * SECOND);
  });

  it("gets a prompt id with the dialog's text, another with another text, none without a dialog", () => {
    const screen = (at: number, digest: string): void => {
      const attributes = {
        rule: "permission",
        state: "waiting_approval",
        reason: "permission_request",
        digest,
        confirmed: true,
      };
      say("screen", at, { source: "poller", channel: "screen", transition: { kind: "screen", attributes } });
    };
    say("permission", 10);
    expect(lab.runtime(id).state.promptId).toBe("");
    const ids = [["d1", 11] as const, ["d2", 12] as const].map(([digest, at]) => {
      screen(at, digest);
      return lab.runtime(id).state.promptId;
    });
    expect(new Set(ids).size).toBe(2);
    expect(shown()).toMatchObject({ state: "waiting_approval", version: 4, since: 10, updatedAt: 12 });
    expect(ids.every((promptId) => /^[0-9a-f]{32}$/u.test(promptId))).toBe(true);
    say("activity", 20);
    expect(lab.runtime(id).state.promptId).toBe("");
  });
});

describe("an event older than event rows are kept", () => {
  it("says nothing even where nothing else was said", () => {
    const old = { spooled: true, eventTime: START - DEFAULTS.eventsKeptMs * 1_000 };
    lab.accept([prepared(old)], START + SECOND);
    expect(lab.status(id).reason).toBe("no_signal_yet");
  });

  it("is kept apart, marked late, and changes nothing, in this life and the next", () => {
    say("prompt", 10);
    const old = prepared({
      spooled: true,
      eventTime: START - DEFAULTS.eventsKeptMs * 1_000,
      transition: { kind: "stop_failure", attributes: { error: "server_error" } },
    });
    expect(lab.accept([old], START + 20 * SECOND)).toMatchObject([{ kind: "accepted" }]);
    expect([shown().state, lab.runtime(id).fold.count]).toEqual(["running", 1]);
    lab.restart();
    expect([shown().state, lab.runtime(id).fold.count]).toEqual(["running", 1]);
    const late = lab.store.events.list({ runtimeId: id, limit: 10 }).filter((event) => event.late);
    expect(late.map(({ eventId }) => eventId)).toEqual([old.eventId]);
  });
});

describe("a spooled event of hours ago", () => {
  it("does not become now", () => {
    say("prompt", 36_000);
    say("stop", 36_100);
    const old = prepared({ spooled: true, eventTime: START + SECOND, transition: { kind: "permission" } });
    lab.accept([old], START + 40_000 * SECOND);
    expect(shown()).toMatchObject({ state: "completed", since: 36_100 });
  });

  it("that claims to be of tomorrow does not outlive what comes after it", () => {
    const mad = prepared({ spooled: true, eventTime: START + 86_400 * SECOND, transition: { kind: "stop" } });
    lab.accept([mad], START + 10 * SECOND);
    say("prompt", 20);
    expect(shown()).toMatchObject({ state: "running", since: 20 });
  });
});

describe("checkpoints", () => {
  const all = (): string => {
    const hash = lab.hash();
    const db = lab.connect();
    const kept = db.prepare("SELECT count(*) FROM checkpoints").pluck().get();
    db.close();
    return `${hash} ${String(kept)}`;
  };

  it("TC-006 only save time: with and without them, and with those of another version, the fold is the same", () => {
    for (let at = 1; at <= 10; at++) say(at % 2 === 0 ? "stop" : "prompt", at);
    const [hash, kept] = all().split(" ");
    expect(Number(kept)).toBe(3);
    lab.restart();
    expect(lab.hash()).toBe(hash);
    lab.write("UPDATE checkpoints SET reducer = 'of another version', fold = '{\"status\":{}}'");
    lab.restart();
    expect(lab.hash()).toBe(hash);
    lab.write("DELETE FROM checkpoints");
    lab.restart();
    expect(lab.hash()).toBe(hash);
  });

  it("TC-006 are forgotten from a late event on, and those before it stay", () => {
    for (let at = 1; at <= 9; at++) say("prompt", at * 10);
    expect(all()).toMatch(/ 3$/u);
    say("stop_failure", 65, { eventTime: START + 65 * SECOND });
    const db = lab.connect();
    const times = db.prepare("SELECT order_time FROM checkpoints ORDER BY order_time").pluck().all();
    db.close();
    expect(times.map((time) => (Number(time) - START) / SECOND)).toEqual([30, 60]);
  });

  it("TC-006 do not hide an event of a sequenced channel whose clock jumped back behind them", () => {
    for (const at of [10, 20, 30]) say("noted", at);
    const sequenced = (seq: number, at: number, kind: string): void => {
      const wrapper = { source: "wrapper", channel: "s", sourceSeq: seq } as const;
      lab.accept(
        [prepared({ ...wrapper, eventTime: START + at * SECOND, transition: { kind } })],
        START + 31 * SECOND,
      );
    };
    sequenced(1, 31, "prompt");
    sequenced(2, 25, "stop");
    expect(shown()).toMatchObject({ state: "completed", since: 31 });
    const hash = lab.hash();
    lab.restart();
    expect(lab.hash()).toBe(hash);
  });
});

describe("a commit", () => {
  it("is told to listeners once it is on disk, with what it changed, and not at all if it fails", () => {
    const heard: Commit[] = [];
    lab.journal.onCommit((commit) => {
      const db = lab.connect();
      expect(db.prepare("SELECT count(*) FROM events").pluck().get()).toBe(heard.length + 1);
      db.close();
      heard.push(commit);
    });
    const event = say("prompt", 10);
    expect(heard.map(({ events }) => events.map(({ eventId }) => eventId))).toEqual([[event.eventId]]);
    expect(heard[0]?.touched.map(({ state }) => state.status.state)).toEqual(["running"]);

    const before = lab.hash();
    const failing = (): void =>
      lab.journal.transaction(() => {
        lab.journal.accept(prepared({ transition: { kind: "stop" } }), START + 20 * SECOND);
        lab.journal.end(id, { at: START, reason: "exited" });
        throw new Error("the disk is full");
      });
    expect(failing).toThrow("the disk is full");
    expect(heard).toHaveLength(1);
    expect(lab.hash()).toBe(before);
    expect(lab.journal.counters.list()).toMatchObject([{ accepted: 1 }]);
    expect(lab.store.runtimes.active()).toHaveLength(1);
    lab.restart();
    expect(lab.hash()).toBe(before);
  });

  it("that changes nothing is told to nobody, and commits do not nest", () => {
    const heard: Commit[] = [];
    lab.journal.onCommit((commit) => heard.push(commit));
    lab.journal.transaction(() => undefined);
    expect(heard).toEqual([]);
    expect(() => lab.journal.transaction(() => lab.journal.transaction(() => undefined))).toThrow(/nest/u);
    expect(() => lab.journal.accept(prepared(), START)).toThrow(/inside a transaction/u);
  });

  it("TC-003 never leaves two active runtimes in one pane, in memory or on disk", () => {
    const second = runtimeRecord({ epoch: 2, pid: 99 });
    expect(() => lab.open(second)).toThrow(/UNIQUE constraint failed/u);
    expect([...lab.journal.runtimes()].map((runtime) => runtime.record.runtimeId)).toEqual([id]);
    lab.journal.transaction(() => {
      lab.journal.end(id, { at: START, reason: "displaced" });
      lab.journal.open(second, [99]);
    });
    expect([...lab.journal.runtimes()].map((runtime) => runtime.record.runtimeId)).toEqual([
      second.runtimeId,
    ]);
    expect(lab.store.runtimes.active()).toHaveLength(1);
  });
});
