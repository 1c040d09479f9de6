import fc from "fast-check";
import { expect, it } from "vitest";
import { DEFAULTS } from "../../src/server/config.js";
import { type BindingCandidate, type BindingHints, bind } from "../../src/server/engine/bind.js";
import { holds } from "../support/property.js";

const WINDOW = DEFAULTS.bindWindowMicros;
const T0 = 1_000_000_000_000;

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });
const agentType = fc.constantFrom("claude", "claude", "claude", "codex");
const target = fc.constantFrom("host", "host", "vm");
/** Most events say none of these. */
const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const paneId = fc.constantFrom("%1", "%2", "%3");
const session = fc.constantFrom("s1", "s2", "s3");
const cwd = fc.constantFrom("/w", "/x");
const pid = fc.integer({ min: 40, max: 47 });
const time = fc.constantFrom(-60, -6, -5, -1, 0, 1, 4, 5, 6, 60).map((seconds) => T0 + seconds * 1_000_000);

/** Runtimes as the journal has them: one a pane of a target, no process in two of them. */
const runtimes: fc.Arbitrary<BindingCandidate[]> = fc
  .uniqueArray(
    fc.record({
      targetId: target,
      paneId,
      serverPid: fc.constantFrom(77, 78),
      agentType,
      agentSessionId: maybe(session),
      cwd: maybe(cwd),
      pids: fc.uniqueArray(pid, { minLength: 1, maxLength: 2 }),
      startedAt: time,
    }),
    { maxLength: 5, selector: (made) => `${made.targetId} ${made.paneId}` },
  )
  .map((made) => {
    const taken = new Set<number>();
    return made.flatMap((facts, index) => {
      const pids = facts.pids.filter((one) => !taken.has(one));
      for (const one of pids) taken.add(one);
      return pids.length === 0 ? [] : [{ ...facts, pids, runtimeId: `r${index}` }];
    });
  });

const hints: fc.Arbitrary<BindingHints> = fc.record({
  agentType,
  runtimeId: rarely(fc.constantFrom("r0", "r1", "r9")),
  targetIds: fc.constantFrom(["host", "vm"], ["host"], []),
  pane: maybe(fc.record({ paneId, serverPid: maybe(fc.constantFrom(77, 78)) })),
  agentSessionId: maybe(session),
  cwd: maybe(cwd),
  pid: rarely(pid),
  parentPids: fc.uniqueArray(fc.oneof(pid, fc.constant(4_000)), { maxLength: 3 }),
  startHint: rarely(time),
  eventTime: maybe(time),
});

/**
 * What of an event speaks against a runtime, by the words of docs/spec.md 4.2. A process that is proven, or a runtime
 * that is named, may have changed its session and its directory since they were last seen.
 */
function contradictions(
  said: BindingHints,
  of: BindingCandidate,
  others: readonly BindingCandidate[],
  former: readonly string[],
): string[] {
  const found: string[] = [];
  const against = (what: string, contradicts: boolean): void => {
    if (contradicts) found.push(what);
  };
  const { startHint, eventTime, agentSessionId } = said;
  const named = [said.pid, ...said.parentPids];
  const proven = of.pids.some((one) => named.includes(one));
  against("agent type", said.agentType !== of.agentType);
  against("target", !said.targetIds.includes(of.targetId));
  against("runtime", said.runtimeId !== undefined && said.runtimeId !== of.runtimeId);
  against("pane", said.pane !== undefined && said.pane.paneId !== of.paneId);
  against("server", said.pane?.serverPid !== undefined && said.pane.serverPid !== of.serverPid);
  against("start", startHint !== undefined && Math.abs(startHint - of.startedAt) > WINDOW);
  against("pid", said.pid !== undefined && !proven);
  if (proven || said.runtimeId !== undefined) return found;
  against("ancestors", said.pane !== undefined && said.parentPids.length > 0);
  against(
    "session",
    (of.agentSessionId ?? agentSessionId) !== agentSessionId && agentSessionId !== undefined,
  );
  const known = agentSessionId !== undefined && of.agentSessionId === agentSessionId;
  if (known) return found;
  if (agentSessionId !== undefined) {
    // An agent on a target that the event cannot be of is no rival, whatever its session is called.
    const active = others.some(
      (one) =>
        one.agentType === of.agentType &&
        one.agentSessionId === agentSessionId &&
        said.targetIds.includes(one.targetId),
    );
    against("another's session", active || former.some((runtimeId) => runtimeId !== of.runtimeId));
  }
  against("directory", said.pane === undefined && said.cwd !== of.cwd);
  // What only names the pane may, soon after a start, be the agent's before.
  const since = said.pane !== undefined && startHint === undefined ? WINDOW : -WINDOW;
  against("time", eventTime !== undefined && eventTime < of.startedAt + since);
  return found;
}

it("TC-009 an event is never bound to a runtime that anything it says speaks against, nor to one of several", () => {
  let bound = 0;
  holds(
    fc.property(hints, runtimes, fc.subarray(["r0", "r1", "gone"]), (said, candidates, former) => {
      const binding = bind(said, candidates, WINDOW, () => former);
      if (binding.kind !== "bound") return;
      bound += 1;
      const spokenAgainst = (one: BindingCandidate): string[] => {
        const others = candidates.filter((other) => other !== one);
        return contradictions(said, one, others, former);
      };
      const chosen = candidates.find(({ runtimeId }) => runtimeId === binding.runtimeId);
      if (chosen === undefined) throw new Error("bound to a runtime that is not there");
      expect(spokenAgainst(chosen)).toEqual([]);
      const rivals = candidates.filter((one) => one !== chosen && spokenAgainst(one).length === 0);
      if (rivals.length === 0) return;
      // Then a process or a session tells them apart.
      const named = [said.pid, ...said.parentPids];
      const proven = chosen.pids.some((one) => named.includes(one));
      const known = said.agentSessionId !== undefined && chosen.agentSessionId === said.agentSessionId;
      expect(proven || known).toBe(true);
    }),
    5_000,
  );
  expect(bound).toBeGreaterThan(300);
});

it("TC-008 an event of an agent's own descendant is always bound to that agent, whatever else is there", () => {
  holds(
    fc.property(
      runtimes,
      fc.nat(),
      maybe(session),
      maybe(time),
      (candidates, at, agentSessionId, eventTime) => {
        const own = candidates[at % Math.max(1, candidates.length)];
        if (own === undefined) return;
        const said: BindingHints = {
          agentType: own.agentType,
          targetIds: [own.targetId],
          pane: { paneId: own.paneId, serverPid: own.serverPid },
          agentSessionId,
          eventTime,
          parentPids: [900, own.pids[0] ?? 0, 4_000],
        };
        expect(bind(said, candidates, WINDOW)).toEqual({ kind: "bound", runtimeId: own.runtimeId });
      },
    ),
    1_000,
  );
});
