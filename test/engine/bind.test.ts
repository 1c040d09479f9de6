import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BindingCandidate, type BindingHints, bind } from "../../src/server/engine/bind.js";
import { holds } from "../support/property.js";

const WINDOW = 5_000_000;
const T0 = 1_000_000_000;

function runtime(overrides: Partial<BindingCandidate> = {}): BindingCandidate {
  return {
    runtimeId: "r1",
    targetId: "host",
    paneId: "%1",
    serverPid: 77,
    agentType: "claude",
    agentSessionId: undefined,
    cwd: "/w",
    pids: [42],
    startedAt: T0,
    ...overrides,
  };
}

function hints(overrides: Partial<BindingHints> = {}): BindingHints {
  return { agentType: "claude", targetIds: ["host"], parentPids: [], ...overrides };
}

function outcome(asked: BindingHints, ...candidates: BindingCandidate[]): string {
  const binding = bind(asked, candidates, WINDOW);
  return binding.kind === "bound" ? binding.runtimeId : binding.kind;
}

const inPane = (overrides: Partial<BindingHints> = {}): BindingHints =>
  hints({ pane: { paneId: "%1", serverPid: 77 }, ...overrides });
const other = runtime({ runtimeId: "r2", paneId: "%2", pids: [52] });

describe("binding by pane", () => {
  it.each<[string, BindingHints, string]>([
    ["the agent in that pane", inPane(), "r1"],
    ["the agent in that pane, server unsaid", hints({ pane: { paneId: "%1" } }), "r1"],
    ["no other pane's", hints({ pane: { paneId: "%3" } }), "none"],
    ["no pane of another tmux server", hints({ pane: { paneId: "%1", serverPid: 78 } }), "none"],
    ["no other agent type's", inPane({ agentType: "codex" }), "none"],
    ["no other target's", inPane({ targetIds: ["vm"] }), "none"],
    ["no target's, when none fits", inPane({ targetIds: [] }), "none"],
    ["the agent whose pid is among the emitter's ancestors", inPane({ parentPids: [900, 42, 1] }), "r1"],
    [
      "no agent that is not among the ancestors, in the pane or not",
      inPane({ parentPids: [41, 4000] }),
      "none",
    ],
    ["the agent whose own pid is named", inPane({ pid: 42 }), "r1"],
    ["no agent of another pid", inPane({ pid: 41 }), "none"],
    ["the named pid's agent if an ancestor proves it", inPane({ pid: 900, parentPids: [42] }), "r1"],
    ["the agent that began at the hint", inPane({ startHint: T0 - WINDOW }), "r1"],
    ["no agent that began past the window", inPane({ startHint: T0 + WINDOW + 1 }), "none"],
    [
      "no agent that began past the window, proven or not",
      inPane({ startHint: 1, parentPids: [42] }),
      "none",
    ],
  ])("TC-008 finds %s", (_name, asked, expected) => {
    expect(outcome(asked, runtime(), other)).toBe(expected);
  });

  it("leaves the late SessionEnd of a dead predecessor to nobody: its ancestors are not the new tenant's", () => {
    const tenant = runtime({ pids: [43], agentSessionId: "new" });
    expect(outcome(inPane({ parentPids: [42, 4000], agentSessionId: "old" }), tenant)).toBe("none");
    expect(outcome(inPane({ parentPids: [42, 4000] }), tenant)).toBe("none");
  });

  it("lets a proven ancestor outweigh a session id that is no longer the agent's", () => {
    const cleared = runtime({ agentSessionId: "before /clear" });
    expect(outcome(inPane({ parentPids: [42], agentSessionId: "after" }), cleared)).toBe("r1");
  });

  it("without ancestors refuses another session's event, and takes one while no session is known", () => {
    const asked = inPane({ agentSessionId: "s2" });
    expect(outcome(asked, runtime({ agentSessionId: "s1" }))).toBe("none");
    expect(outcome(asked, runtime({ agentSessionId: "s2" }))).toBe("r1");
    expect(outcome(asked, runtime())).toBe("r1");
  });

  it("accepts the launcher's pid as the worker's", () => {
    expect(outcome(inPane({ parentPids: [41] }), runtime({ pids: [41, 42] }))).toBe("r1");
  });
});

describe("binding by session id and working directory", () => {
  const asked = hints({ agentSessionId: "s1", cwd: "/w" });
  const first = runtime({ cwd: "/w" });
  const second = runtime({ runtimeId: "r2", paneId: "%2", cwd: "/w" });

  it.each<[string, BindingHints, BindingCandidate[], string]>([
    ["the session's runtime", asked, [{ ...first, agentSessionId: "s1" }, second], "r1"],
    [
      "the session's runtime in whatever directory",
      asked,
      [{ ...first, agentSessionId: "s1", cwd: "/x" }],
      "r1",
    ],
    [
      "no runtime of another session in the same directory",
      asked,
      [{ ...first, agentSessionId: "s2" }],
      "none",
    ],
    [
      "the one of two in the directory whose session is not known yet",
      asked,
      [{ ...first, agentSessionId: "s2" }, second],
      "r2",
    ],
    ["the only runtime in the directory", asked, [first, { ...second, cwd: "/x" }], "r1"],
    ["neither of two runtimes in one directory", asked, [first, second], "ambiguous"],
    [
      "neither of two runtimes that resumed one session",
      asked,
      [
        { ...first, agentSessionId: "s1" },
        { ...second, agentSessionId: "s1" },
      ],
      "ambiguous",
    ],
    [
      "nothing by a session nobody has, without a directory",
      hints({ agentSessionId: "s1" }),
      [first],
      "none",
    ],
    ["nothing by no hint at all", hints(), [first], "none"],
    ["nothing by a directory nobody is in", hints({ cwd: "/y" }), [first, second], "none"],
    [
      "nothing by an unknown directory of a runtime",
      hints({ cwd: "/w" }),
      [{ ...first, cwd: undefined }],
      "none",
    ],
    [
      "a proven ancestor's runtime among two in one directory",
      { ...asked, parentPids: [42] },
      [first, { ...second, pids: [52] }],
      "r1",
    ],
  ])("TC-009 finds %s", (_name, hinted, candidates, expected) => {
    expect(outcome(hinted, ...candidates)).toBe(expected);
  });
});

describe("binding by runtime id", () => {
  it("finds that runtime, and no other in its place", () => {
    expect(outcome(hints({ runtimeId: "r1" }), runtime(), other)).toBe("r1");
    expect(outcome(hints({ runtimeId: "r0" }), runtime(), other)).toBe("none");
  });

  it("is narrowed by a pane that is not the runtime's", () => {
    expect(outcome(hints({ runtimeId: "r1", pane: { paneId: "%2" } }), runtime(), other)).toBe("none");
  });
});

describe("binding", () => {
  const word = (...values: string[]): fc.Arbitrary<string> => fc.constantFrom(...values);
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.option(value, { nil: undefined });
  const anyRuntime = fc.record({
    paneId: word("%1", "%2"),
    serverPid: fc.constantFrom(77, 78),
    agentSessionId: maybe(word("s1", "s2")),
    cwd: maybe(word("/w", "/x")),
    pids: fc.subarray([41, 42, 52], { minLength: 1 }),
    startedAt: fc.constantFrom(T0, T0 + 20_000_000),
  });
  const anyHints = fc.record({
    agentType: fc.constant("claude"),
    targetIds: fc.subarray(["host", "vm"]),
    pane: maybe(fc.record({ paneId: word("%1", "%2"), serverPid: maybe(fc.constantFrom(77, 78)) })),
    agentSessionId: maybe(word("s1", "s2")),
    cwd: maybe(word("/w", "/x")),
    pid: maybe(fc.constantFrom(42, 52, 60)),
    parentPids: fc.subarray([41, 52, 60]),
    startHint: maybe(fc.constant(T0)),
  });

  it("never gives an event to a runtime that contradicts its target, pane, pid or start, nor guesses among several", () => {
    holds(
      fc.property(anyHints, fc.array(anyRuntime, { maxLength: 4 }), (asked, made) => {
        const candidates = made.map((facts, index) => runtime({ ...facts, runtimeId: `r${index}` }));
        const binding = bind(asked, candidates, WINDOW);
        const turned = bind(asked, [...candidates].reverse(), WINDOW);
        expect(turned).toEqual(binding);
        if (binding.kind !== "bound") return;
        const found = candidates.find(({ runtimeId }) => runtimeId === binding.runtimeId);
        if (found === undefined) throw new Error("bound to a runtime that is not there");
        expect(asked.targetIds).toContain(found.targetId);
        if (asked.pane !== undefined) expect(found.paneId).toBe(asked.pane.paneId);
        if (asked.startHint !== undefined)
          expect(Math.abs(found.startedAt - asked.startHint)).toBeLessThanOrEqual(WINDOW);
        const named = [asked.pid, ...asked.parentPids];
        const proven = found.pids.some((pid) => named.includes(pid));
        if (asked.pid !== undefined || (asked.pane !== undefined && asked.parentPids.length > 0))
          expect(proven).toBe(true);
        if (!proven && asked.agentSessionId !== undefined && found.agentSessionId !== undefined) {
          expect(found.agentSessionId).toBe(asked.agentSessionId);
        }
        const twins = candidates.filter(
          (one) => JSON.stringify({ ...one, runtimeId: "" }) === JSON.stringify({ ...found, runtimeId: "" }),
        );
        expect(twins).toHaveLength(1);
      }),
      2_000,
    );
  });
});
