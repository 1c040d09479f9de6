import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEFAULTS } from "../../src/server/config.js";
import { prepared, START } from "../ingest/journal-harness.js";
import { HOUR, ReconcilerLab, SECOND } from "./reconciler-lab.js";

const RUNNING = DEFAULTS.runningTtlMicros;
const COMPLETED = DEFAULTS.completedTtlMicros;

let lab: ReconcilerLab;
let id: string;
beforeEach(() => {
  lab = new ReconcilerLab();
  id = lab.runtime(1);
});
afterEach(() => lab.close());

const state = (runtimeId = id): string => {
  const status = lab.status(runtimeId);
  return `${status.state}/${status.reason}`;
};

describe("TC-010 a turn without a sign of life", () => {
  it.each([
    ["its prompt", "prompt"],
    ["a tool", "activity"],
    ["a signal that moves no state", "noted"],
  ])("is stale 180 s after the last one, %s, and not a microsecond before", (_name, kind) => {
    lab.say(id, "prompt");
    lab.run(START + 100 * SECOND);
    lab.say(id, kind);
    expect(lab.run(START + 100 * SECOND + RUNNING - 1)).toEqual([]);
    expect(state()).toBe("running/turn");
    lab.now += 1;
    expect(lab.tick()).toEqual([`${id} stale_detected`]);
    expect(state()).toBe("unknown/stale_signal");
    expect(lab.status(id).confidence).toBe("low");
  });

  it("is judged once, not again with every tick, and runs on with the next sign", () => {
    lab.say(id, "prompt");
    expect(lab.run(START + HOUR)).toEqual([`${id} stale_detected`]);
    lab.say(id, "activity");
    expect(state()).toBe("running/turn");
    expect(lab.run(lab.now + RUNNING)).toEqual([`${id} stale_detected`]);
  });

  it("is not saved by the daemon's own events, nor by signals that no rule knows", () => {
    lab.say(id, "prompt");
    lab.run(START + 170 * SECOND);
    lab.say(id, "", { transition: undefined, eventType: "Unheard" });
    for (const down of [true, false]) {
      lab.now += 1;
      lab.reconciler.targetHealthChanged("host", down);
      lab.commit.flush();
    }
    expect(lab.run(START + RUNNING)).toEqual([`${id} stale_detected`]);
  });

  it("is counted from the time of the event, not from when it was told", () => {
    lab.now += 8 * SECOND;
    lab.say(id, "prompt", { eventTime: START });
    expect(lab.run(START + RUNNING - 1)).toEqual([]);
    expect(lab.run(START + RUNNING)).toEqual([`${id} stale_detected`]);
  });
});

describe("a turn that has ended", () => {
  it("is idle 120 s after its end, counted from the time of the event, and not a microsecond before", () => {
    lab.say(id, "prompt");
    lab.now += 8 * SECOND;
    lab.say(id, "stop", { eventTime: START + SECOND });
    expect(lab.run(START + SECOND + COMPLETED - 1)).toEqual([]);
    expect(state()).toBe("completed/turn_end");
    lab.now += 1;
    expect(lab.tick()).toEqual([`${id} demotion_due`]);
    expect(state()).toBe("idle/demoted");
    expect(lab.run(lab.now + HOUR)).toEqual([]);
  });

  it("is not kept from idleness by signs of life that say nothing of the turn", () => {
    lab.say(id, "stop");
    lab.run(START + 100 * SECOND);
    lab.say(id, "noted");
    expect(lab.run(START + COMPLETED)).toEqual([`${id} demotion_due`]);
  });
});

describe("what waits for a person", () => {
  it.each([
    ["permission", "waiting_approval/permission_request"],
    ["stop_failure", "error/api_error"],
    ["session_start", "idle/fresh"],
  ])("or for nothing never goes stale: after %s it is %s a month later", async (kind, expected) => {
    lab.say(id, "prompt");
    lab.say(id, kind);
    for (let day = 0; day < 30; day++) {
      expect(lab.run(lab.now + 200 * SECOND)).toEqual([]);
      lab.now += 24 * HOUR;
      lab.tick();
      await lab.observed();
    }
    expect(lab.tick()).toEqual([]);
    expect(state()).toBe(expected);
  });
});

describe("a judgement", () => {
  /** How an event may fall around a judgement that is made at `lab.now`. */
  const timings: Record<string, (kind: string) => void> = {
    "before it, told before it was stored": (kind) => {
      lab.reconciler.tick();
      lab.say(id, kind, { eventTime: lab.now - 1 });
      lab.commit.flush();
    },
    "before it, told after it was stored": (kind) => {
      lab.tick();
      lab.say(id, kind, { eventTime: lab.now - SECOND });
    },
    "after it, told before it was stored": (kind) => {
      lab.reconciler.tick();
      lab.now += 1;
      lab.say(id, kind);
      lab.commit.flush();
    },
  };
  const signs: readonly [string, string][] = [
    ["prompt", "running/turn"],
    ["permission", "waiting_approval/permission_request"],
    ["stop", "completed/turn_end"],
    ["activity", "running/turn"],
  ];

  it.each(Object.keys(timings).flatMap((timing) => signs.map((sign) => [timing, ...sign] as const)))(
    "of staleness is void if something newer came %s: %s",
    (timing, kind, expected) => {
      lab.say(id, "prompt");
      lab.run(START + RUNNING - 1);
      lab.now += 1;
      timings[timing]?.(kind);
      expect(lab.commit.given.map(({ eventType }) => eventType)).toEqual(["stale_detected"]);
      expect(state()).toBe(expected);
    },
  );

  it.each(Object.keys(timings))("of demotion is void if a new turn began %s", (timing) => {
    lab.say(id, "stop");
    lab.run(START + COMPLETED - 1);
    lab.now += 1;
    timings[timing]?.("prompt");
    expect(lab.commit.given.map(({ eventType }) => eventType)).toEqual(["demotion_due"]);
    expect(state()).toBe("running/turn");
    // Of that turn's end another 120 s must pass.
    lab.now += SECOND;
    lab.say(id, "stop");
    expect(lab.run(lab.now + COMPLETED - 1)).toEqual([]);
    expect(state()).toBe("completed/turn_end");
  });

  it.each(Object.keys(timings).slice(0, 2))(
    "of staleness is void if a sign of life that moves no state came %s",
    (timing) => {
      lab.say(id, "prompt");
      lab.run(START + RUNNING - 1);
      lab.now += 1;
      timings[timing]?.("noted");
      expect(state()).toBe("running/turn");
    },
  );

  it("changes nothing by itself: states, events and all else are as before until its event is committed", () => {
    lab.say(id, "prompt");
    const other = lab.runtime(2);
    lab.say(other, "stop");
    lab.run(START + COMPLETED - 1);
    lab.journals.accept(
      [
        prepared({
          hints: { agentType: "claude", targetIds: ["host"], pane: { paneId: "%9" }, parentPids: [] },
        }),
      ],
      lab.now,
    );
    lab.now += 1;
    const before = lab.everything();
    lab.reconciler.tick();
    expect(lab.commit.given.map(({ eventType }) => eventType)).toEqual(["demotion_due"]);
    expect(lab.everything()).toBe(before);
    lab.commit.flush();
    expect(state(other)).toBe("idle/demoted");
  });

  it("is an event of the daemon's own, bound to its runtime, dated by the daemon's clock", () => {
    lab.say(id, "prompt");
    const prompt = lab.status(id).eventId;
    lab.run(START + RUNNING);
    expect(lab.commit.given).toMatchObject([
      {
        source: "reconciler",
        eventType: "stale_detected",
        eventTime: lab.now,
        hints: { runtimeId: id },
        transition: { attributes: { guard: prompt } },
      },
    ]);
  });

  it("that the store refuses is logged and made again, once, when it takes it", async () => {
    lab.say(id, "prompt");
    lab.run(START + RUNNING - 1);
    lab.now += 1;
    lab.commit.refuses = true;
    expect(lab.tick()).toEqual([]);
    await Promise.resolve();
    expect(lab.logged.join("")).toContain("judgements were not stored");
    lab.commit.refuses = false;
    expect(lab.run(lab.now + 60 * SECOND)).toEqual([`${id} stale_detected`]);
  });

  it("rests on each runtime's own signs alone", () => {
    const other = lab.runtime(2);
    lab.say(id, "prompt");
    lab.say(other, "prompt");
    lab.run(START + 60 * SECOND);
    lab.say(other, "activity");
    expect(lab.run(START + RUNNING)).toEqual([`${id} stale_detected`]);
    expect(lab.run(START + 60 * SECOND + RUNNING)).toEqual([`${other} stale_detected`]);
  });
});

describe("a spooled event that is hours old", () => {
  const spooled = { spooled: true, spooledAt: START + 3 * HOUR } as const;

  it("is what it was then: a turn's end is demoted at once, a turn is stale at once", async () => {
    const other = lab.runtime(2);
    lab.now += 3 * HOUR;
    lab.tick();
    await lab.observed();
    lab.say(id, "stop", { ...spooled, eventTime: START + 60 * SECOND });
    lab.say(other, "prompt", { ...spooled, eventTime: START + 60 * SECOND });
    for (const runtimeId of [id, other]) {
      expect(lab.status(runtimeId)).toMatchObject({ at: START + 60 * SECOND, since: START + 60 * SECOND });
    }
    lab.now += SECOND;
    expect(lab.tick().sort()).toEqual([`${id} demotion_due`, `${other} stale_detected`].sort());
    expect([state(id), state(other)]).toEqual(["idle/demoted", "unknown/stale_signal"]);
  });

  it("does not move a state that newer signals have made", () => {
    lab.now += HOUR;
    lab.say(id, "permission");
    lab.say(id, "prompt", { ...spooled, eventTime: START + 60 * SECOND });
    expect(state()).toBe("waiting_approval/permission_request");
  });
});

describe("a machine that slept for eight hours", () => {
  /** A day's work in four panes, then sleep. */
  const asleep = (): Record<"busy" | "fresh" | "done" | "asks", string> => {
    const runtimes = { busy: id, fresh: lab.runtime(2), done: lab.runtime(3), asks: lab.runtime(4) };
    lab.say(runtimes.busy, "prompt");
    lab.say(runtimes.fresh, "prompt");
    lab.say(runtimes.done, "stop");
    lab.say(runtimes.asks, "permission");
    lab.run(START + 10 * SECOND);
    lab.now += 8 * HOUR;
    return runtimes;
  };

  it("judges nobody before the fresh observation has ended, and then only what is due, once each", async () => {
    const { busy, fresh, done, asks } = asleep();
    expect(lab.run(lab.now + 5 * SECOND)).toEqual([]);
    expect(lab.observations).toHaveLength(1);
    // What the observation finds counts: this agent was busy all the time.
    lab.say(fresh, "activity");
    await lab.observed();
    expect(lab.run(lab.now + 60 * SECOND).sort()).toEqual(
      [`${busy} stale_detected`, `${done} demotion_due`].sort(),
    );
    expect([state(fresh), state(asks)]).toEqual(["running/turn", "waiting_approval/permission_request"]);
    expect(lab.observations).toHaveLength(1);
  });

  it("and again before it was looked at waits for the later look", async () => {
    const { busy } = asleep();
    lab.tick();
    lab.now += HOUR;
    lab.tick();
    expect(lab.observations).toHaveLength(2);
    lab.observations[0]?.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(lab.run(lab.now + 2 * SECOND)).toEqual([]);
    await lab.observed();
    expect(lab.run(lab.now + 2 * SECOND)).toContain(`${busy} stale_detected`);
  });

  it("is looked at first too when its clock was set back", () => {
    lab.say(id, "prompt");
    lab.run(START + 60 * SECOND);
    lab.now -= 30 * SECOND;
    lab.tick();
    expect(lab.observations).toHaveLength(1);
  });

  it("is not taken for asleep when it is only slow: ten seconds between ticks are judged as they are", () => {
    lab.say(id, "prompt");
    const judged: string[] = [];
    for (let at = 1; at <= 18; at++) {
      lab.now = START + at * 10 * SECOND;
      judged.push(...lab.tick());
    }
    expect(lab.observations).toEqual([]);
    expect(judged).toEqual([`${id} stale_detected`]);
  });

  it("drops what waited in the inbox only once it has looked, for its runtime may be found", async () => {
    const event = prepared({
      hints: { agentType: "claude", targetIds: ["host"], pane: { paneId: "%9" }, parentPids: [] },
    });
    lab.journals.accept([event], lab.now);
    lab.now += 8 * HOUR;
    lab.tick();
    expect(lab.journals.journal.hasPending()).toBe(true);
    await lab.observed();
    lab.now += 1;
    lab.tick();
    expect(lab.journals.journal.hasPending()).toBe(false);
  });

  it("judges again though its observation failed, and tells of it", async () => {
    const rejections: unknown[] = [];
    const noted = (reason: unknown): void => void rejections.push(reason);
    process.on("unhandledRejection", noted);
    const { busy } = asleep();
    lab.tick();
    lab.observations[0]?.reject(new Error("no answer"));
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", noted);
    expect(lab.run(lab.now + SECOND)).toContain(`${busy} stale_detected`);
    expect(rejections).toEqual([]);
  });

  it("judges again though its observation never ends", () => {
    const { busy } = asleep();
    expect(lab.run(lab.now + 600 * SECOND)).toContain(`${busy} stale_detected`);
  });
});

describe("TC-010 a target that goes down", () => {
  const health = (down: boolean): string[] => {
    lab.now += 1;
    const before = lab.commit.given.length;
    lab.reconciler.targetHealthChanged("host", down);
    lab.commit.flush();
    return lab.commit.given
      .slice(before)
      .map(({ hints, transition }) => `${hints.runtimeId ?? "?"} ${transition?.kind ?? ""}`);
  };

  it("is told to each of its active runtimes once, however often it is said, and so is its return", () => {
    const other = lab.runtime(2);
    const ended = lab.runtime(3);
    lab.journals.end(ended);
    lab.say(id, "prompt");
    lab.say(other, "permission");
    expect(health(true).sort()).toEqual([`${id} target_down`, `${other} target_down`].sort());
    expect(health(true)).toEqual([]);
    expect([state(id), state(other)]).toEqual(Array(2).fill("unknown/target_unreachable"));
    expect(lab.status(id).confidence).toBe("low");
    expect(health(false).sort()).toEqual([`${id} target_up`, `${other} target_up`].sort());
    expect(health(false)).toEqual([]);
    expect([state(id), state(other)]).toEqual(["running/turn", "waiting_approval/permission_request"]);
  });

  it("leaves the runtimes of other targets alone", () => {
    lab.say(id, "prompt");
    lab.now += 1;
    lab.reconciler.targetHealthChanged("vm", true);
    expect(lab.commit.given).toEqual([]);
  });

  it("has nothing judged stale or demoted while it is down; what became due is judged on its return", () => {
    const done = lab.runtime(2);
    lab.say(id, "prompt");
    lab.say(done, "stop");
    health(true);
    expect(lab.run(START + HOUR)).toEqual([]);
    health(false);
    lab.now += 1;
    expect(lab.tick().sort()).toEqual([`${id} stale_detected`, `${done} demotion_due`].sort());
  });

  it("and comes back before the first was stored is back", () => {
    lab.say(id, "prompt");
    lab.now += 1;
    lab.reconciler.targetHealthChanged("host", true);
    lab.now += 1;
    lab.reconciler.targetHealthChanged("host", false);
    lab.commit.flush();
    expect(state()).toBe("running/turn");
  });
});
