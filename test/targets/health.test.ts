import { describe, expect, it } from "vitest";
import { failed, type Health, INITIAL_HEALTH, succeeded } from "../../src/server/targets/health.js";

const settings = { downAfterFailures: 3, downWindowMs: 30_000, upAfterProbes: 2 };

/** Replays a history: `f` a failure, `.` a good probe, `x` a failure after which nothing is tried by itself, `t` a good probe without tmux; `+n` lets n seconds pass. */
function replay(history: string): Health {
  let now = 0;
  let health = INITIAL_HEALTH;
  for (const [word] of history.matchAll(/\+\d+|\S/gu)) {
    now += 1_000;
    if (word.startsWith("+")) now += Number(word.slice(1)) * 1_000_000;
    else if (word === "f") health = failed(health, "timeout", now, settings);
    else if (word === "x") health = failed(health, "auth", now, settings, { message: "no key", final: true });
    else health = succeeded(health, word === "t" ? "tmux_not_found" : "", now, settings);
  }
  return health;
}

describe("health of a target", () => {
  const table: [string, Health["state"], string][] = [
    ["", "connecting", "nothing was tried"],
    [".", "ok", "the first good probe"],
    ["f", "degraded", "the first failure"],
    [". f", "degraded", "one failure of a good one"],
    [". f f", "degraded", "two are not three"],
    [". f f f", "down", "three in a row"],
    ["f f f", "down", "three from the start"],
    [". f +31 f +31 f", "degraded", "three, but not within 30 s"],
    [". f +10 f +10 f", "down", "three within 30 s"],
    [". f f . f", "degraded", "a success in between begins the count anew"],
    [". f f . f f", "degraded", "and again"],
    [". f .", "degraded", "one good probe is not two"],
    [". f . .", "ok", "two good probes"],
    [". f . f .", "degraded", "two that are not consecutive"],
    ["f f f .", "degraded", "down answers again"],
    ["f f f . .", "ok", "down is ok after two"],
    ["f f f . f", "degraded", "one failure after an answer is the first of three"],
    ["f f f f f f", "down", "stays down"],
    ["f f f +100 f", "down", "stays down however seldom it is tried"],
    ["x", "down", "no further attempt will come"],
    [". x", "down", "nor for one that was well"],
    ["x .", "degraded", "it is reached all the same"],
    ["x . .", "ok", "and proven"],
    ["t", "degraded", "no tmux is no failure, and not ok"],
    ["t t t t", "degraded", "and lasts"],
    ["t .", "ok", "tmux was installed"],
  ];
  it.each(table)("TC-040 after %j it is %s: %s", (history, state) => {
    expect(replay(history).state).toBe(state);
  });

  it("TC-040 remembers when it was last well, and why it is not", () => {
    const health = replay(". f f");
    expect([health.lastOkAt, health.reason]).toEqual([1_000, "timeout"]);
    expect(replay("t").reason).toBe("tmux_not_found");
    expect(replay("f . .").reason).toBe("");
    expect(replay(". x")).toMatchObject({ reason: "auth", message: "no key" });
    expect(replay("x . .")).toMatchObject({ reason: "", message: "" });
  });
});
