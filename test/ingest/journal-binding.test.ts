import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULTS } from "../../src/server/config.js";
import type { Outcome } from "../../src/server/ingest/journal.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const SECOND = 1_000_000;
const TTL = DEFAULTS.bindTtlMs * 1_000;

let lab: JournalLab;
beforeEach(() => {
  lab = new JournalLab();
});
afterEach(() => lab.close());

function word(outcomes: Outcome[]): string {
  return outcomes
    .map((outcome) => ("reason" in outcome ? `${outcome.kind} ${outcome.reason}` : outcome.kind))
    .join(", ");
}

function inboxReason(eventId: string): unknown {
  const db = lab.connect();
  const row = db
    .prepare("SELECT status || ' ' || reason FROM event_inbox WHERE event_id = ?")
    .pluck()
    .get(eventId);
  db.close();
  return row;
}

const hints = { agentType: "claude", targetIds: ["host"], parentPids: [] as readonly number[] };
const inPane = { ...hints, pane: { paneId: "%1" } };

describe("an event whose runtime is not there yet", () => {
  it("TC-008 waits, and binds with the time of its acceptance once its runtime opens", () => {
    const early = prepared({ eventTime: START + SECOND });
    expect(word(lab.accept([early], START + SECOND))).toBe("pending");
    expect(lab.retryInbox(START + 2 * SECOND)).toBe(1);
    const record = runtimeRecord();
    lab.open(record);
    expect(lab.retryInbox(START + 20 * SECOND)).toBe(0);
    expect(lab.status(record.runtimeId)).toMatchObject({
      state: "running",
      at: START + SECOND,
      eventId: early.eventId,
    });
    expect(inboxReason(early.eventId)).toBe("bound ");
  });

  it("TC-008 waits over a restart", () => {
    const early = prepared();
    lab.accept([early], START);
    lab.restart();
    const record = runtimeRecord();
    lab.open(record);
    expect(lab.retryInbox(START + SECOND)).toBe(0);
    expect(lab.status(record.runtimeId).eventId).toBe(early.eventId);
  });

  it("TC-008 is folded at its place, behind which others have come meanwhile", () => {
    const record = runtimeRecord();
    const prompt = prepared({ eventTime: START + SECOND });
    lab.accept([prompt], START + SECOND);
    lab.open(record);
    const stop = prepared({
      eventTime: START + 2 * SECOND,
      transition: { kind: "stop", attributes: { agents: 0, shells: 0 } },
    });
    lab.accept([stop], START + 2 * SECOND);
    lab.retryInbox(START + 3 * SECOND);
    expect(lab.status(record.runtimeId)).toMatchObject({ state: "completed", at: START + 2 * SECOND });
  });

  it("TC-009 is dropped as bind_ttl_expired past its time, and not a moment before", () => {
    const early = prepared();
    lab.accept([early], START);
    expect(lab.retryInbox(START + TTL)).toBe(1);
    expect(lab.retryInbox(START + TTL + 1)).toBe(0);
    expect(inboxReason(early.eventId)).toBe("dropped_unbound bind_ttl_expired");
    lab.open(runtimeRecord());
    expect(lab.retryInbox(START + TTL + 2)).toBe(0);
    expect(lab.status(runtimeRecord().runtimeId).reason).toBe("no_signal_yet");
  });

  it("TC-009 outlasts its time while its target has not shown its topology in this life", () => {
    const early = prepared();
    lab.accept([early], START);
    lab.seen.clear();
    expect(lab.retryInbox(START + 100 * TTL)).toBe(1);
    lab.seen.add("host");
    lab.open(runtimeRecord());
    expect(lab.retryInbox(START + 100 * TTL)).toBe(0);
    expect(inboxReason(early.eventId)).toBe("bound ");
  });

  it("counts as accepted once it is bound, and as dropped once it is not", () => {
    lab.accept([prepared()], START);
    lab.open(runtimeRecord());
    lab.retryInbox(START + SECOND);
    lab.accept([prepared({ hints: { ...hints, pane: { paneId: "%9" } } })], START);
    lab.retryInbox(START + TTL + 1);
    expect(lab.journal.counters.list()).toMatchObject([
      { source: "hook", accepted: 1, dropped: 1, duplicates: 0 },
    ]);
  });
});

describe("TC-009 an event that cannot be bound", () => {
  it("is dropped at once as bind_ambiguous, and tells which", () => {
    const one = runtimeRecord({ pane: "%1", pid: 1 });
    const two = runtimeRecord({ pane: "%2", pid: 2 });
    lab.open(one);
    lab.open(two);
    const event = prepared({ hints: { ...hints, agentSessionId: "s9", cwd: "/w" } });
    expect(word(lab.accept([event], START))).toBe("dropped bind_ambiguous");
    expect(inboxReason(event.eventId)).toBe("dropped_unbound bind_ambiguous");
    for (const { runtimeId } of [one, two]) expect(lab.status(runtimeId).reason).toBe("no_signal_yet");
  });

  it("is dropped at once as bind_no_candidate if it names a runtime that has ended, whoever has its pane now", () => {
    const old = runtimeRecord({ pid: 1 });
    const tenant = runtimeRecord({ pid: 2, epoch: 2 });
    lab.open(old);
    lab.end(old.runtimeId);
    lab.open(tenant);
    const event = prepared({ hints: { ...hints, runtimeId: old.runtimeId } });
    expect(word(lab.accept([event], START))).toBe("dropped bind_no_candidate");
    expect(lab.status(tenant.runtimeId).reason).toBe("no_signal_yet");
  });

  it("waits if it names a runtime that nobody has heard of", () => {
    expect(word(lab.accept([prepared({ hints: { ...hints, runtimeId: "0".repeat(64) } })], START))).toBe(
      "pending",
    );
  });

  it("costs its batch nothing", () => {
    lab.open(runtimeRecord({ pane: "%1", pid: 1, cwd: "/w" }));
    lab.open(runtimeRecord({ pane: "%2", pid: 2, cwd: "/w" }));
    const ambiguous = prepared({ hints: { ...hints, agentSessionId: "s9", cwd: "/w" } });
    const outcomes = lab.accept(
      [prepared(), ambiguous, prepared({ hints: { ...hints, pane: { paneId: "%9" } } }), prepared()],
      START,
    );
    expect(word(outcomes)).toBe("accepted, dropped bind_ambiguous, pending, accepted");
  });
});

describe("the late SessionEnd of an agent that was replaced", () => {
  const sessionEnd = { kind: "session_end", attributes: { reason: "other" } };

  it("binds to nobody: its ancestors are dead, and the new tenant's pid is not among them", () => {
    const old = runtimeRecord({ pid: 1001 });
    const tenant = runtimeRecord({ pid: 1002, epoch: 2 });
    lab.open(old);
    lab.end(old.runtimeId, "respawned");
    lab.open(tenant);
    const late = prepared({
      hints: { ...inPane, parentPids: [1001, 4000], agentSessionId: "old" },
      transition: sessionEnd,
      agentSessionId: "old",
    });
    const start = prepared({
      hints: { ...inPane, parentPids: [1002, 4000], agentSessionId: "new" },
      transition: { kind: "session_start", attributes: { source: "startup" } },
      agentSessionId: "new",
    });
    expect(word(lab.accept([late, start], START + SECOND))).toBe("pending, accepted");
    expect(lab.runtime(tenant.runtimeId).record.agentSessionId).toBe("new");
    lab.retryInbox(START + 2 * TTL);
    expect(inboxReason(late.eventId)).toBe("dropped_unbound bind_ttl_expired");
  });

  it("does not give a runtime back the session that /clear has ended", () => {
    const record = runtimeRecord();
    lab.open(record);
    const parentPids = [record.agentPid];
    const cleared = prepared({
      eventTime: START + 300,
      hints: { ...inPane, parentPids },
      agentSessionId: "after",
      transition: { kind: "session_start", attributes: { source: "clear" } },
    });
    const end = prepared({
      eventTime: START + 100,
      hints: { ...inPane, parentPids },
      agentSessionId: "before",
      transition: sessionEnd,
    });
    lab.accept([cleared, end], START + SECOND);
    expect(lab.runtime(record.runtimeId).record.agentSessionId).toBe("after");
    lab.restart();
    expect(lab.runtime(record.runtimeId).record.agentSessionId).toBe("after");
  });
});

describe("an event of an agent whose pane ids are not to be trusted", () => {
  const first = runtimeRecord({ pane: "%1", pid: 1, cwd: "/w" });
  const second = runtimeRecord({ pane: "%2", pid: 2, cwd: "/w" });

  it("goes by session id once that is known, in one directory with another agent", () => {
    lab.open(first);
    lab.open(second);
    lab.accept([prepared({ hints: { ...inPane, parentPids: [1] }, agentSessionId: "s1" })], START);
    const named = prepared({ hints: { ...hints, agentSessionId: "s1", cwd: "/w" } });
    expect(lab.accept([named], START)).toEqual([{ kind: "accepted", runtimeId: first.runtimeId }]);
    const others = prepared({ hints: { ...hints, agentSessionId: "s2", cwd: "/w" }, agentSessionId: "s2" });
    expect(lab.accept([others], START)).toEqual([{ kind: "accepted", runtimeId: second.runtimeId }]);
  });

  it("goes to nobody if the session is known to be a third one's", () => {
    lab.open(first);
    lab.accept([prepared({ hints: { ...inPane, parentPids: [1] }, agentSessionId: "s1" })], START);
    expect(
      word(lab.accept([prepared({ hints: { ...hints, agentSessionId: "s3", cwd: "/w" } })], START)),
    ).toBe("pending");
  });
});

describe("an action id that no action has", () => {
  it("costs neither the event nor its batch", () => {
    const record = runtimeRecord();
    lab.open(record);
    expect(word(lab.accept([prepared(), prepared({ actionId: "unheard" }), prepared()], START))).toBe(
      "accepted, accepted, accepted",
    );
    expect(
      lab.store.events.list({ runtimeId: record.runtimeId, limit: 10 }).map(({ actionId }) => actionId),
    ).toEqual([undefined, undefined, undefined]);
  });
});
