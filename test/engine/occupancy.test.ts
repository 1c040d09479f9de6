import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Decision,
  decideOccupancy,
  type Occupant,
  type PaneSighting,
  type SeenAgent,
} from "../../src/server/engine/occupancy.js";
import { holds } from "../support/property.js";

const agent: SeenAgent = { agentType: "claude", pid: 42, startRaw: "900" };
const occupant: Occupant = {
  ...agent,
  runtimeId: "r1",
  bootId: "77:1",
  hostBootId: "host boot",
  panePid: 40,
};

function sighting(overrides: Partial<PaneSighting> = {}): PaneSighting {
  return {
    bootId: "77:1",
    hostBootId: "host boot",
    panePid: 40,
    foreground: agent,
    occupantAlive: true,
    ...overrides,
  };
}

function word(decision: Decision): string {
  if (decision.kind === "end") return `end ${decision.reason}`;
  if (decision.kind !== "open") return decision.kind;
  return `open ${decision.agent.pid}${decision.ended === undefined ? "" : ` after ${decision.ended}`}`;
}

const next: SeenAgent = { agentType: "claude", pid: 43, startRaw: "950" };
const launcher = { pid: 41, startRaw: "890" };

describe("an empty pane", () => {
  it.each<[string, PaneSighting | undefined, string]>([
    ["that is gone: nothing", undefined, "nothing"],
    ["without an agent: nothing", sighting({ foreground: undefined, occupantAlive: false }), "nothing"],
    ["with an agent in the foreground: a runtime opens", sighting({ occupantAlive: false }), "open 42"],
  ])("%s", (_name, seen, expected) => {
    expect(word(decideOccupancy(undefined, seen))).toBe(expected);
  });
});

describe("TC-004 the occupant of a pane", () => {
  it.each<[string, PaneSighting | undefined, string]>([
    ["stays while its process is in the foreground", sighting(), "keep"],
    [
      "stays while something that is no agent has the foreground",
      sighting({ foreground: undefined }),
      "keep",
    ],
    ["ends when the pane is gone", undefined, "end pane_gone"],
    [
      "ends when its process is gone",
      sighting({ foreground: undefined, occupantAlive: false }),
      "end exited",
    ],
    [
      "ends when the tmux server is another",
      sighting({ bootId: "78:2", foreground: undefined }),
      "end server_gone",
    ],
    ["ends when the pane was respawned", sighting({ panePid: 50, foreground: undefined }), "end respawned"],
    [
      "ends when the host was booted anew",
      sighting({ hostBootId: "later", foreground: undefined }),
      "end exited",
    ],
    [
      "gives way to its successor after its end",
      sighting({ foreground: next, occupantAlive: false }),
      "open 43 after exited",
    ],
    [
      "gives way, though stopped, to another agent in the foreground",
      sighting({ foreground: next }),
      "open 43 after displaced",
    ],
    [
      "gives way to the agent of a respawned pane",
      sighting({ panePid: 50, foreground: next }),
      "open 43 after respawned",
    ],
    [
      "gives way to the agent of another tmux server",
      sighting({ bootId: "78:2", foreground: next }),
      "open 43 after server_gone",
    ],
    [
      "gives way to a process that got its pid, with another start",
      sighting({ foreground: { ...agent, startRaw: "901" }, occupantAlive: false }),
      "open 42 after exited",
    ],
    [
      "gives way to the same pid and start after a boot of the host",
      sighting({ hostBootId: "later" }),
      "open 42 after exited",
    ],
    [
      "stays, opened for a launcher, when the worker appears under it",
      sighting({
        foreground: { agentType: "claude", pid: 60, startRaw: "910", launcher: { pid: 42, startRaw: "900" } },
      }),
      "keep",
    ],
    ["stays, a worker, beside its launcher", sighting({ foreground: { ...agent, launcher } }), "keep"],
    [
      "gives way to a worker under a launcher that only has its pid",
      sighting({ foreground: { ...next, launcher: { pid: 42, startRaw: "901" } } }),
      "open 43 after displaced",
    ],
    [
      "gives way to the next worker of the same launcher",
      sighting({ foreground: { ...next, launcher }, occupantAlive: false }),
      "open 43 after exited",
    ],
  ])("%s", (_name, seen, expected) => {
    expect(word(decideOccupancy(occupant, seen))).toBe(expected);
  });

  it("compares host boot, pid and start, and nothing else of a process", () => {
    const renamed = sighting({ foreground: { ...agent, agentType: "codex" } });
    expect(word(decideOccupancy(occupant, renamed))).toBe("keep");
  });

  const process = fc.record({ pid: fc.constantFrom(42, 43), startRaw: fc.constantFrom("900", "901") });
  const anySighting = fc.record({
    bootId: fc.constantFrom("77:1", "78:2"),
    hostBootId: fc.constantFrom("host boot", "later"),
    panePid: fc.constantFrom(40, 50),
    foreground: fc.option(
      process.map((facts) => ({ agentType: "claude", ...facts })),
      { nil: undefined },
    ),
    occupantAlive: fc.boolean(),
  });

  it("is kept exactly if server, pane, host boot and process are the same, whatever is seen", () => {
    holds(
      fc.property(anySighting, (seen) => {
        const decision = decideOccupancy(occupant, seen);
        const { foreground } = seen;
        const same =
          seen.bootId === occupant.bootId &&
          seen.hostBootId === occupant.hostBootId &&
          seen.panePid === occupant.panePid &&
          seen.occupantAlive &&
          (foreground === undefined ||
            (foreground.pid === occupant.pid && foreground.startRaw === occupant.startRaw));
        expect(decision.kind === "keep").toBe(same);
        if (decision.kind === "open") {
          expect(decision.agent).toBe(foreground);
          expect(decision.ended).toBeDefined();
        }
      }),
      500,
    );
  });
});
