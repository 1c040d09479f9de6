import { describe, expect, it } from "vitest";
import type { AskedEvent, Happening } from "../client/history.js";
import type { Stored, StoredEvent, StoredRuntime } from "../report/stored.js";
import { EXACTLY_ONCE, validateExactlyOnce } from "./exactly-once.js";
import { HANDOVER, validateHandover } from "./handover.js";
import { expectBreach, history, row, told, watched } from "./samples.js";
import { SPOOL, validateSpool } from "./spool.js";
import { STATES, validateStates } from "./states.js";
import { VISIBLE, validateVisible } from "./visible.js";

const START = 1_000_000;

function ask(call: number, ...events: (string | AskedEvent)[]): Happening {
  return {
    kind: "ask",
    call,
    events: events.map((each) => (typeof each === "string" ? { eventId: each, dedupeKey: each } : each)),
  };
}

function answer(
  call: number,
  eventId: string,
  status: "accepted" | "duplicate" | "rejected" = "accepted",
): Happening {
  return { kind: "answer", call, results: [{ eventId, status }] };
}

function event(eventId: string, more: Partial<StoredEvent> = {}): StoredEvent {
  return {
    eventId,
    runtimeId: "r",
    source: "hook",
    channel: "",
    dedupeKey: eventId,
    eventTime: START + 1,
    effectiveTime: START + 1,
    ingestedAt: START + 1,
    spooled: false,
    late: false,
    ...more,
  };
}

const RUNTIME: StoredRuntime = {
  runtimeId: "r",
  agentType: "claude",
  startedAt: START,
  target: "t",
  paneId: "%1",
  active: true,
};
const FRESH = {
  status: {
    state: "unknown",
    reason: "no_signal_yet",
    confidence: "low",
    source: "poller",
    channel: "process",
    eventId: "",
    at: START,
    since: START,
  },
  version: 1,
  promptId: "",
} as const;

function stored(more: Partial<Stored> = {}): Stored {
  return { events: [], inbox: new Map(), runtimes: [RUNTIME], states: new Map([["r", FRESH]]), ...more };
}

describe("exactly once", () => {
  it("holds for what is bound, what waits, what was rejected, and what came under two ids", () => {
    const fine = history(
      ask(1, "a", { eventId: "b", dedupeKey: "k" }, { eventId: "c", dedupeKey: "k" }, "d", "e"),
      answer(1, "a"),
      answer(1, "b"),
      answer(1, "c", "duplicate"),
      answer(1, "d", "rejected"),
      answer(1, "e"),
      { kind: "spooled", name: "f.json", eventId: "f" },
    );
    const inbox = new Map([["e", { status: "pending_bind", ingestedAt: 1 }]]);
    const there = stored({ events: [event("a"), event("b")], inbox });
    expect(validateExactlyOnce(fine, there, new Set(["f.json"]))).toEqual([]);
  });

  it("says that an answered event is missing", () => {
    expectBreach(validateExactlyOnce(history(ask(1, "a"), answer(1, "a")), stored()), EXACTLY_ONCE.durable);
  });

  it("says that a duplicate stands for nothing that is there", () => {
    const lone = history(ask(1, "a"), answer(1, "a", "duplicate"));
    expectBreach(validateExactlyOnce(lone, stored()), EXACTLY_ONCE.durable);
  });

  it("says that one event is applied under two ids", () => {
    const twice = history(ask(1, { eventId: "a", dedupeKey: "k" }, { eventId: "b", dedupeKey: "k" }));
    expectBreach(validateExactlyOnce(twice, stored({ events: [event("a"), event("b")] })), EXACTLY_ONCE.once);
  });

  it("says that a bound event still waits", () => {
    const inbox = new Map([["a", { status: "pending_bind", ingestedAt: 1 }]]);
    const both = stored({ events: [event("a")], inbox });
    expectBreach(validateExactlyOnce(history(ask(1, "a")), both), EXACTLY_ONCE.waiting);
  });

  it("says that nobody sent what is stored", () => {
    expectBreach(validateExactlyOnce(history(), stored({ events: [event("a")] })), EXACTLY_ONCE.asked);
  });

  it("says that a spool file went without its event", () => {
    const left = history(ask(1, "a"), { kind: "spooled", name: "a.json", eventId: "a" });
    expectBreach(validateExactlyOnce(left, stored()), EXACTLY_ONCE.spool);
  });
});

describe("the spool's order", () => {
  const left = history(
    { kind: "spooled", name: "1.json", eventId: "a" },
    { kind: "spooled", name: "2.json", eventId: "b" },
  );

  it("holds where events were taken and bound as they were named", () => {
    const events = [event("a", { ingestedAt: 1 }), event("b", { ingestedAt: 2 })];
    expect(validateSpool(left, stored({ events }))).toEqual([]);
  });

  it("says that one was taken before an earlier one", () => {
    const inbox = new Map([["a", { status: "pending_bind", ingestedAt: 2 }]]);
    const events = [event("b", { ingestedAt: 1 })];
    expectBreach(validateSpool(left, stored({ events, inbox })), SPOOL.order);
  });

  it("says that one was bound before an earlier one", () => {
    const events = [event("b", { ingestedAt: 2 }), event("a", { ingestedAt: 1 })];
    expectBreach(validateSpool(left, stored({ events })), SPOOL.bound);
  });
});

describe("states", () => {
  const running = event("a", {
    source: "native",
    channel: "session_file",
    transition: { kind: "session_status", attributes: { status: "busy" } },
  });
  const state = {
    ...FRESH,
    version: 2,
    status: {
      state: "running",
      reason: "turn",
      confidence: "high",
      source: "native",
      channel: "session_file",
      eventId: "a",
      at: START + 1,
      since: START + 1,
    },
  } as const;

  it("hold where they are the fold of the events", () => {
    const right = stored({ events: [running], states: new Map([["r", state]]) });
    expect(validateStates(stored())).toEqual([]);
    expect(validateStates(right, stored())).toEqual([]);
  });

  it("says that a state is not what its events make", () => {
    expectBreach(validateStates(stored({ events: [running] })), STATES.fold);
    const other = { ...state, status: { ...state.status, since: START } };
    expectBreach(validateStates(stored({ events: [running], states: new Map([["r", other]]) })), STATES.fold);
    expectBreach(validateStates(stored({ states: new Map() })), STATES.fold);
  });

  it("says that a version went down", () => {
    const before = stored({ states: new Map([["r", { ...FRESH, version: 2 }]]) });
    expectBreach(validateStates(stored(), before), STATES.version);
  });

  it("says that something stored is gone", () => {
    const ended = { ...RUNTIME, active: false };
    const now = stored({ runtimes: [ended] });
    expectBreach(validateStates(now, stored({ runtimes: [ended], events: [event("a")] })), STATES.kept);
    expectBreach(validateStates(stored({ runtimes: [] }), stored()), STATES.kept);
    expectBreach(validateStates(stored({ runtimes: [ended], states: new Map() }), now), STATES.kept);
  });

  it("says that a pane has two active runtimes", () => {
    const two = stored({
      runtimes: [RUNTIME, { ...RUNTIME, runtimeId: "s" }],
      states: new Map([
        ["r", FRESH],
        ["s", FRESH],
      ]),
    });
    expectBreach(validateStates(two), STATES.one);
  });

  it("says what SQLite found", () => {
    expectBreach(validateStates(stored({ integrity: "row 1 missing from index" })), STATES.integrity);
    expectBreach(validateStates(stored({ foreignKeyFaults: 3 })), STATES.foreignKeys);
  });
});

describe("what was shown", () => {
  it("holds where the store knows as much or more", () => {
    const shown = history(...watched("w", 1, ["", told("snapshot", 1, { items: [row("p", "x")] })]));
    expect(validateVisible(shown, stored())).toEqual([]);
    expect(validateVisible(shown, stored({ states: new Map([["r", { ...FRESH, version: 9 }]]) }))).toEqual(
      [],
    );
  });

  it("says that a state was shown that the store does not know", () => {
    const ahead = history(...watched("w", 1, ["", told("snapshot", 1, { items: [row("p", "x", 2)] })]));
    expectBreach(validateVisible(ahead, stored()), VISIBLE.state);
    const other = { ...row("p", "x"), agent: { runtimeId: "r", state: "idle", reason: "ready", version: 1 } };
    const listed: Happening = { kind: "read", streamId: "s", sequence: 1, rows: [other] };
    expectBreach(validateVisible(history(listed), stored()), VISIBLE.state);
    const unknown = { ...other, agent: { ...other.agent, runtimeId: "q" } };
    expectBreach(
      validateVisible(
        history(...watched("w", 1, ["", told("delta", 2, { changes: [{ key: "p", row: unknown }] })])),
        stored(),
      ),
      VISIBLE.state,
    );
  });

  it("says that an event was told that the store does not know", () => {
    expectBreach(validateVisible(history({ kind: "events", eventIds: ["a"] }), stored()), VISIBLE.event);
  });
});

it("a handover says that the successor's socket is gone", () => {
  expect(validateHandover(history({ kind: "handover", reachable: true }))).toEqual([]);
  expectBreach(validateHandover(history({ kind: "handover", reachable: false })), HANDOVER);
});
