import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ActionTargetSchema } from "../../gen/agtmux/v1/action_pb.js";
import { type Expectation, expectation, type Found, mismatch } from "../../src/server/actions/expectation.js";
import { ContractError } from "../../src/server/contract-error.js";
import type { AgentState, Micros } from "../../src/server/engine/state.js";
import { STATE_TO_WIRE, timestamp, timestampMicros } from "../../src/server/watch/rows.js";
import { holds } from "../support/property.js";

const NOW: Micros = 1_795_342_744_024_509;
const SNAPSHOT_MS = 30_000;
const SNAPSHOT: Micros = SNAPSHOT_MS * 1_000;
const RUNTIME = "a".repeat(64);
const ANOTHER = "b".repeat(64);
// Sound: the keys of that table are exactly the states.
const STATES = Object.keys(STATE_TO_WIRE) as AgentState[];

const FOUND = {
  bootId: "77:1700000000",
  paneId: "%1",
  panePid: 4_000,
  agent: { runtimeId: RUNTIME, stateVersion: 5, state: "idle", updatedAt: NOW - 10_000_000 },
} satisfies Found;
const PLAIN: Found = { ...FOUND, agent: undefined };

const EXPECTED: Expectation = {
  runtimeId: RUNTIME,
  stateVersion: 5,
  observedAt: NOW - 1_000_000,
  bootId: FOUND.bootId,
  paneId: FOUND.paneId,
  panePid: FOUND.panePid,
  ifRuntime: "",
  ifState: [],
  ifUpdatedWithin: undefined,
  forceStale: false,
};
const EXPECTED_PLAIN: Expectation = { ...EXPECTED, runtimeId: "", stateVersion: 0 };

/** What mismatches, in one word; "" for nothing. */
function judged(expected: Partial<Expectation>, found: Found = FOUND, now = NOW): string {
  const base = found.agent === undefined ? EXPECTED_PLAIN : EXPECTED;
  const wrong = mismatch({ ...base, ...expected }, found, now, SNAPSHOT_MS);
  return wrong === undefined ? "" : [wrong.codeName, wrong.details["reason"]].filter(Boolean).join(" ");
}

const STALE = "E_RUNTIME_STALE";
const EXPIRED = "E_SNAPSHOT_EXPIRED";
const failed = (reason: string): string => `E_PRECONDITION_FAILED ${reason}`;

/** Everything that can be wrong with a look at an agent: what does it, and what it is answered with. */
const WRONGS = {
  anotherRuntime: [{ runtimeId: ANOTHER }, STALE],
  noRuntimeSeen: [{ runtimeId: "" }, STALE],
  ifRuntime: [{ ifRuntime: ANOTHER }, STALE],
  age: [{ observedAt: NOW - SNAPSHOT - 1 }, EXPIRED],
  version: [{ stateVersion: 4 }, failed("state_changed")],
  ifState: [{ ifState: ["running", "error"] }, failed("if_state")],
  ifUpdatedWithin: [{ ifUpdatedWithin: 9_999_999 }, failed("if_updated_within")],
} as const satisfies Readonly<Record<string, readonly [Partial<Expectation>, string]>>;

// Sound: these are exactly the keys.
const NAMES = Object.keys(WRONGS) as (keyof typeof WRONGS)[];
const FORGIVEN = new Set<string>(["age", "version"]);

describe("what was looked at, against what is there", () => {
  it("is the same if nothing differs, for an agent and for a pane without one", () => {
    expect([judged({}), judged({}, PLAIN)]).toEqual(["", ""]);
  });

  it.each(NAMES)("TC-022 differs by %s alone", (name) => {
    const [wrong, answer] = WRONGS[name];
    expect(judged(wrong)).toBe(answer);
  });

  it("TC-022 TC-005 is refused for who is there, then for the look's age, then for the state, however much is wrong", () => {
    holds(
      fc.property(fc.shuffledSubarray(NAMES), fc.boolean(), (chosen, forceStale) => {
        const expected = Object.assign({}, ...chosen.map((name) => WRONGS[name][0]), { forceStale });
        // In the order of the table above, whichever is wrong first.
        const first = NAMES.find((name) => chosen.includes(name) && !(forceStale && FORGIVEN.has(name)));
        expect(judged(expected)).toBe(first === undefined ? "" : WRONGS[first][1]);
      }),
      500,
    );
  });

  it("force_stale skips age and state_version, and nothing else", () => {
    const forced = NAMES.filter((name) => judged({ ...WRONGS[name][0], forceStale: true }) === "");
    expect(forced).toEqual(["age", "version"]);
    const { agent } = FOUND;
    const gone = { ...FOUND, agent: { ...agent, runtimeId: ANOTHER } };
    expect(judged({ forceStale: true }, gone)).toBe(STALE);
    expect(judged({ forceStale: true, panePid: 4_001 }, PLAIN)).toBe(STALE);
  });

  it("is good for 30 s to the microsecond, and not for one more", () => {
    holds(
      fc.property(fc.nat({ max: 60_000_000 }), (age) => {
        expect(judged({ observedAt: NOW - age })).toBe(age <= SNAPSHOT ? "" : EXPIRED);
      }),
      300,
    );
    expect(judged({ observedAt: NOW - SNAPSHOT })).toBe("");
    expect(judged({ observedAt: NOW - SNAPSHOT - 1 })).toBe(EXPIRED);
    const late = mismatch({ ...EXPECTED, observedAt: NOW - SNAPSHOT - 1 }, FOUND, NOW, SNAPSHOT_MS);
    expect([late?.message, late?.details]).toEqual([
      "the pane was looked at 31 s ago, at most 30 s count: look again",
      { age_ms: "30001" },
    ]);
  });

  it("if_state takes any of the states that it names, and each alone", () => {
    holds(
      fc.property(fc.subarray(STATES, { minLength: 1 }), fc.constantFrom(...STATES), (ifState, state) => {
        const found = { ...FOUND, agent: { ...FOUND.agent, state } };
        expect(judged({ ifState }, found)).toBe(ifState.includes(state) ? "" : failed("if_state"));
      }),
      200,
    );
  });

  it("if_updated_within counts from the state's last change, to the microsecond", () => {
    holds(
      fc.property(fc.integer({ min: 1, max: 20_000_000 }), (ifUpdatedWithin) => {
        const fits = ifUpdatedWithin >= 10_000_000;
        expect(judged({ ifUpdatedWithin })).toBe(fits ? "" : failed("if_updated_within"));
      }),
      200,
    );
    expect(judged({ ifUpdatedWithin: 10_000_000 })).toBe("");
  });

  it("a pane without an agent is pinned by boot id, pane id and pane pid; one with an agent by the agent", () => {
    const others = [{ bootId: "78:1700000000" }, { paneId: "%2" }, { panePid: 4_001 }, { bootId: "" }];
    expect(others.map((other) => judged(other, PLAIN))).toEqual(others.map(() => STALE));
    expect(others.map((other) => judged(other))).toEqual(others.map(() => ""));
  });

  it("TC-005 an agent that came or went since then is another tenant, whatever else is the same", () => {
    expect(judged({ runtimeId: RUNTIME }, PLAIN)).toBe(STALE);
    expect(judged({ runtimeId: "" }, FOUND)).toBe(STALE);
    expect(judged({ ifRuntime: RUNTIME }, PLAIN)).toBe(STALE);
  });

  it("a pane without an agent fits no condition on a state", () => {
    expect(judged({ ifState: ["idle"] }, PLAIN)).toBe(failed("no_agent"));
    expect(judged({ ifUpdatedWithin: 1e12 }, PLAIN)).toBe(failed("no_agent"));
    expect(judged({ observedAt: NOW - SNAPSHOT - 1, ifState: ["idle"] }, PLAIN)).toBe(EXPIRED);
  });
});

type TargetInit = Exclude<MessageInitShape<typeof ActionTargetSchema>, Message>;

/** Reads the guards of a request; the refused field, if it is refused. */
function read(more: TargetInit, now = NOW): Expectation | string {
  const expect = {
    runtimeId: RUNTIME,
    stateVersion: 5n,
    observedAt: timestamp(NOW - 1),
    bootId: "77:1",
    paneId: "%1",
  };
  try {
    return expectation(create(ActionTargetSchema, { expect, ...more }), now);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return `${error.codeName} ${error.details["field"] ?? ""}`;
  }
}

const invalid = (field: string): string => `E_INVALID_ARGUMENT target.${field}`;

describe("the guards of a request", () => {
  it("a time that a list gave comes back as it was, to the microsecond", () => {
    holds(
      fc.property(fc.integer({ min: 1, max: 4e15 }), (at) => {
        expect(timestampMicros(timestamp(at))).toBe(at);
      }),
      500,
    );
  });

  it("a look of this very microsecond is good, and one of the next is refused", () => {
    holds(
      fc.property(
        fc.integer({ min: 1_600_000_000_000_000, max: 2e15 }),
        fc.integer({ min: -2e6, max: 2e6 }),
        (now, by) => {
          const made = read({ expect: { observedAt: timestamp(now + by) } }, now);
          if (by > 0) expect(made).toBe(invalid("expect.observed_at"));
          else expect(made).toMatchObject({ observedAt: now + by });
        },
      ),
      500,
    );
  });

  it("a time in milliseconds, as programs keep it, is no later than the look itself", () => {
    const observedAt = { seconds: 1_795_342_744n, nanos: 24_000_000 };
    expect(read({ expect: { observedAt } })).toMatchObject({ observedAt: 1_795_342_744_024_000 });
  });

  it.each<[string, TargetInit, string]>([
    ["nothing that was looked at", { expect: undefined as never }, "expect"],
    ["no time", { expect: { runtimeId: RUNTIME } }, "expect.observed_at"],
    ["the time 0", { expect: { observedAt: {} } }, "expect.observed_at"],
    ["a time before 1970", { expect: { observedAt: { seconds: -1n } } }, "expect.observed_at"],
    [
      "a version that no list gives",
      { expect: { observedAt: timestamp(1), stateVersion: 2n ** 62n } },
      "expect.state_version",
    ],
    [
      "a negative version",
      { expect: { observedAt: timestamp(1), stateVersion: -1n } },
      "expect.state_version",
    ],
    [
      "a pid that no list gives",
      { expect: { observedAt: timestamp(1), panePid: 2n ** 63n - 1n } },
      "expect.pane_pid",
    ],
    [
      "a runtime id without end",
      { expect: { observedAt: timestamp(1), runtimeId: "a".repeat(129) } },
      "expect.runtime_id",
    ],
    [
      "a boot id of other characters",
      { expect: { observedAt: timestamp(1), bootId: "\u001b[2J" } },
      "expect.boot_id",
    ],
    [
      "a pane id of other characters",
      { expect: { observedAt: timestamp(1), paneId: "%1'" } },
      "expect.pane_id",
    ],
    ["a state that does not exist", { ifState: [99 as never] }, "if_state"],
    ["an unspecified state", { ifState: [0] }, "if_state"],
    ["no time at all within which", { ifUpdatedWithin: {} }, "if_updated_within"],
    ["a negative time within which", { ifUpdatedWithin: { seconds: -1n } }, "if_updated_within"],
  ])("%s is an invalid argument that names its field", (_what, target, field) => {
    expect(read(target)).toBe(invalid(field));
  });

  it("carries everything else over as it is", () => {
    const made = read({
      ifRuntime: ANOTHER,
      ifState: [STATE_TO_WIRE.error, STATE_TO_WIRE.idle],
      ifUpdatedWithin: { seconds: 2n, nanos: 5_000 },
      forceStale: true,
    });
    expect(made).toEqual({
      runtimeId: RUNTIME,
      stateVersion: 5,
      observedAt: NOW - 1,
      bootId: "77:1",
      paneId: "%1",
      panePid: 0,
      ifRuntime: ANOTHER,
      ifState: ["error", "idle"],
      ifUpdatedWithin: 2_000_005,
      forceStale: true,
    });
  });
});
