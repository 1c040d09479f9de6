import { describe, expect, it } from "vitest";
import type { BoundEvent, Transition } from "../../src/server/engine/event.js";
import { emptyFold, type Fold, type Reducer, refold } from "../../src/server/engine/fold.js";
import type { AgentState, Candidate, Source, Status } from "../../src/server/engine/state.js";

/** Its memory is the newest word of the agent; a word is the state itself. */
const lastWord: Reducer<{ readonly said: Candidate | null }> = {
  initial: { said: null },
  reduce: (_memory, event) => {
    const { source, channel, eventId, effectiveTime: at, transition } = event;
    if (transition?.kind === "noted") return _memory;
    // Sound: the words below are states.
    const state = transition?.kind as AgentState;
    const reason = String(transition?.attributes?.["reason"] ?? state);
    return { said: { source, channel, state, reason, confidence: "high", at, eventId } };
  },
  candidates: ({ said }) => (said === null ? [] : [said]),
};

let made = 0;

function event(time: number, transition: Transition | undefined, source: Source): BoundEvent {
  made += 1;
  const eventId = `e${made}`;
  return { eventId, source, channel: "", eventTime: time, ingestedAt: time, effectiveTime: time, transition };
}

const says = (time: number, state: AgentState | "noted", attributes = {}): BoundEvent =>
  event(time, { kind: state, attributes }, "hook");
const down = (time: number): BoundEvent => event(time, { kind: "target_down" }, "reconciler");
const up = (time: number): BoundEvent => event(time, { kind: "target_up" }, "reconciler");
const suspended = (time: number): BoundEvent => event(time, { kind: "process_suspended" }, "poller");
const resumed = (time: number): BoundEvent => event(time, { kind: "process_resumed" }, "poller");
const stale = (time: number, of: BoundEvent): BoundEvent =>
  event(time, { kind: "stale_detected", attributes: { guard: of.eventId } }, "reconciler");
const demoted = (time: number, of: BoundEvent): BoundEvent =>
  event(time, { kind: "demotion_due", attributes: { guard: of.eventId } }, "reconciler");

function fold(...events: BoundEvent[]): Fold<unknown> {
  return refold(emptyFold(lastWord, 1), events, lastWord);
}

function status(...events: BoundEvent[]): Status {
  return fold(...events).status;
}

function word({ state, reason, confidence, since }: Status): string {
  return `${state}/${reason} ${confidence} since ${since}`;
}

describe("a runtime that has said nothing", () => {
  it("is unknown, with its start as since", () => {
    expect(word(status())).toBe("unknown/no_signal_yet low since 1");
  });

  it("stays so through signals that no rule knows", () => {
    const unheard = fold(event(50, undefined, "hook"), event(60, undefined, "native"));
    expect(word(unheard.status)).toBe("unknown/no_signal_yet low since 1");
    expect(unheard.count).toBe(2);
  });
});

describe("a target that is down", () => {
  it("TC-010 makes the state unknown/target_unreachable, low", () => {
    const last = down(20);
    expect(status(says(10, "running"), last)).toMatchObject({
      state: "unknown",
      reason: "target_unreachable",
      confidence: "low",
      source: "reconciler",
      eventId: last.eventId,
      at: 20,
      since: 20,
    });
  });

  it("keeps since over a gap that ends in the same value", () => {
    expect(word(status(says(10, "running"), down(20), up(30)))).toBe("running/running high since 10");
    expect(word(status(says(10, "idle"), down(20), says(25, "idle"), up(30)))).toBe(
      "idle/idle high since 10",
    );
  });

  it("begins since anew after a gap that ends in another value", () => {
    expect(word(status(says(10, "running"), down(20), says(25, "idle"), up(30)))).toBe(
      "idle/idle high since 30",
    );
  });

  it("counts the first of several reports, and needs one word to be over", () => {
    const first = down(20);
    expect(status(says(10, "running"), first, down(25))).toMatchObject({ eventId: first.eventId, since: 20 });
    expect(word(status(says(10, "running"), first, down(25), up(30)))).toBe("running/running high since 10");
  });

  it("that was never down changes nothing by coming up", () => {
    expect(word(status(says(10, "running"), up(20)))).toBe("running/running high since 10");
    expect(word(status(up(20)))).toBe("unknown/no_signal_yet low since 1");
  });

  it("is no word of the agent's: an error called target_unreachable is an error", () => {
    const error = status(
      says(10, "running"),
      says(20, "error", { reason: "target_unreachable" }),
      says(30, "running"),
    );
    expect(word(error)).toBe("running/running high since 30");
  });

  it("outranks a stopped process", () => {
    expect(status(says(10, "running"), suspended(15), down(20)).reason).toBe("target_unreachable");
    expect(status(says(10, "running"), suspended(15), down(20), up(30)).reason).toBe("suspended");
  });
});

describe("a stopped process", () => {
  it("is unknown/suspended until it runs on, and then what it was", () => {
    const before = [says(10, "waiting_approval"), suspended(20)];
    expect(status(...before)).toMatchObject({ state: "unknown", reason: "suspended", confidence: "high" });
    expect(word(status(...before, resumed(30)))).toBe("waiting_approval/waiting_approval high since 30");
  });
});

describe("staleness", () => {
  it("TC-010 makes running unknown/stale_signal, low, and nothing else", () => {
    const last = says(10, "running");
    expect(status(last, stale(200, last))).toMatchObject({
      state: "unknown",
      reason: "stale_signal",
      confidence: "low",
      since: 200,
    });
    const dialog = says(10, "waiting_approval");
    expect(word(status(dialog, stale(200, dialog)))).toBe("waiting_approval/waiting_approval high since 10");
  });

  it("is void if anything newer decided before it was judged", () => {
    const old = says(10, "running");
    expect(word(status(old, says(150, "running"), stale(200, old)))).toBe("running/running high since 10");
  });

  it("is void if it had not heard of a sign of life before it, even one that changes nothing", () => {
    const last = says(10, "running");
    const judged = event(
      200,
      { kind: "stale_detected", attributes: { guard: last.eventId, sign: 10 } },
      "reconciler",
    );
    expect(status(last, judged).reason).toBe("stale_signal");
    expect(word(status(last, says(150, "noted"), judged))).toBe("running/running high since 10");
  });

  it("is lifted by any sign of life, even one that changes nothing", () => {
    const last = says(10, "running");
    expect(word(status(last, stale(200, last), says(210, "noted")))).toBe("running/running high since 210");
  });

  it("is not lifted by a signal that no rule knows", () => {
    const last = says(10, "running");
    expect(status(last, stale(200, last), event(210, undefined, "hook")).reason).toBe("stale_signal");
  });

  it("is undone by a late sign of life that comes before it in the order", () => {
    const last = says(10, "running");
    const judged = stale(200, last);
    const late = says(190, "running");
    expect(word(status(last, judged, late))).toBe("running/running high since 10");
  });
});

describe("demotion", () => {
  it("makes completed idle, and that alone", () => {
    const end = says(10, "completed");
    expect(word(status(end, demoted(130, end)))).toBe("idle/demoted high since 130");
    const error = says(10, "error");
    expect(word(status(error, demoted(130, error)))).toBe("error/error high since 10");
  });

  it("is void if a newer turn has begun or ended", () => {
    const first = says(10, "completed");
    expect(word(status(first, says(20, "running"), demoted(130, first)))).toBe(
      "running/running high since 20",
    );
    expect(word(status(first, says(20, "completed"), demoted(130, first)))).toBe(
      "completed/completed high since 10",
    );
  });

  it("that names what did not decide changes nothing, not even an earlier judgement", () => {
    const end = says(10, "completed");
    const judged = [end, demoted(130, end)];
    expect(word(status(...judged, demoted(135, says(0, "completed"))))).toBe("idle/demoted high since 130");
    const unnamed = event(140, { kind: "demotion_due" }, "reconciler");
    expect(word(status(...judged, unnamed))).toBe("idle/demoted high since 130");
  });

  it("outlasts a sign of life that ends nothing", () => {
    const end = says(10, "completed");
    expect(word(status(end, demoted(130, end), says(140, "noted")))).toBe("idle/demoted high since 130");
  });

  it("gives way to the next turn", () => {
    const end = says(10, "completed");
    const next = says(150, "completed");
    expect(word(status(end, demoted(130, end), next))).toBe("completed/completed high since 150");
  });
});

describe("since", () => {
  it("is the start of the unbroken run of one state, whatever its reason and source", () => {
    const events = [says(10, "running"), says(20, "running", { reason: "retrying" }), says(30, "noted")];
    expect(word(status(...events))).toBe("running/retrying high since 10");
    expect(word(status(...events, says(40, "idle"), says(50, "running")))).toBe(
      "running/running high since 50",
    );
  });

  it("follows a late event that broke the run", () => {
    const run = [says(10, "running"), says(30, "running")];
    expect(word(status(...run, says(20, "idle")))).toBe("running/running high since 30");
  });
});
