import pino from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULTS } from "../../src/server/config.js";
import { GroupCommit } from "../../src/server/ingest/group-commit.js";
import { Reconciler } from "../../src/server/reconciler.js";
import { useConnections } from "../store/captured-connections.js";
import { JournalLab, prepared, runtimeRecord, START } from "./journal-harness.js";

const SECOND = 1_000_000;
const connection = useConnections();
const record = runtimeRecord();

let lab: JournalLab;
let now: number;
let logged: string[];
let commit: GroupCommit;
let reconciler: Reconciler;
beforeEach(() => {
  lab = new JournalLab();
  lab.open(record);
  now = START + SECOND;
  logged = [];
  commit = new GroupCommit(lab.journal, () => now);
  const log = pino({ level: "trace" }, { write: (line) => void logged.push(line) });
  const observed = (): Promise<void> => Promise.resolve();
  reconciler = new Reconciler(lab.journal, commit, () => now, DEFAULTS, observed, log);
});
afterEach(() => {
  commit.flush();
  lab.close();
});

const hints = { agentType: "claude", targetIds: ["host"], runtimeId: record.runtimeId, parentPids: [] };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const value = (): string => `${lab.status(record.runtimeId).state}/${lab.status(record.runtimeId).reason}`;

/** A sign of life that the daemon read itself, and that moves no state. */
const sign = () =>
  commit.keep(
    [prepared({ eventTime: now, source: "native", hints, transition: { kind: "noted" } })],
    () => undefined,
  );

/** The store takes writes again, and lets the next one through; nobody has tried yet. */
function recover(): void {
  connection().pragma("query_only = OFF");
  for (const deadline = performance.now() + 5_000; ; ) {
    try {
      lab.store.transaction(() => undefined);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

/** Ticks every half second for so long. */
async function run(micros: number): Promise<void> {
  for (const until = now + micros; now < until; ) {
    now += SECOND / 2;
    reconciler.tick();
    await turn();
  }
}

describe("TC-010 while signals wait for a store that refuses", () => {
  it("no agent is judged stale for signs of life that are not stored yet", async () => {
    lab.accept([prepared({ eventTime: now, hints, transition: { kind: "prompt" } })], now);
    connection().pragma("query_only = ON");
    for (let minutes = 0; minutes < 10; minutes++) {
      await sign();
      await run(60 * SECOND);
    }
    expect(commit.behind).toBe(true);
    recover();
    await vi.waitFor(() => expect(commit.behind).toBe(false), { timeout: 5_000 });
    await run(2 * SECOND);
    expect(value()).toBe("running/turn");
    const events = lab.store.events.list({ limit: 1_000 });
    expect(events.filter(({ eventType }) => eventType === "stale_detected")).toEqual([]);
    await run(DEFAULTS.runningTtlMicros);
    expect(value()).toBe("unknown/stale_signal");
    expect(logged).toEqual([]);
  });

  it.each([
    ["went down", [true], "unknown/target_unreachable"],
    ["went down and came back", [true, false], "running/turn"],
    ["went down, came back and went down", [true, false, true], "unknown/target_unreachable"],
  ])("that a target %s is told when the store takes writes again", async (_, changes, wanted) => {
    lab.accept([prepared({ eventTime: now, hints, transition: { kind: "prompt" } })], now);
    connection().pragma("query_only = ON");
    await sign();
    for (const down of changes) {
      reconciler.targetHealthChanged("host", down);
      await run(SECOND);
    }
    recover();
    // What is kept is tried again after a pause of real time; judgements come after it.
    await vi.waitFor(() => expect(commit.behind).toBe(false), { timeout: 5_000 });
    await run(2 * SECOND);
    expect(value()).toBe(wanted);
    expect(logged).toEqual([]);
  });

  it("that a target went down is told again too if only that was refused", async () => {
    lab.accept([prepared({ eventTime: now, hints, transition: { kind: "prompt" } })], now);
    connection().pragma("query_only = ON");
    reconciler.targetHealthChanged("host", true);
    await run(SECOND);
    expect([commit.behind, value()]).toEqual([false, "running/turn"]);
    recover();
    await run(SECOND);
    expect(value()).toBe("unknown/target_unreachable");
    expect(logged).toEqual([]);
  });

  it("a target that goes down and comes back while they are being stored ends as up", async () => {
    lab.accept([prepared({ eventTime: now, hints, transition: { kind: "prompt" } })], now);
    connection().pragma("query_only = ON");
    for (let count = 0; count < 600; count++) void sign();
    await turn();
    let commits = 0;
    lab.journal.onCommit(() => {
      commits += 1;
      if (commits > 1) return;
      reconciler.targetHealthChanged("host", true);
      reconciler.targetHealthChanged("host", false);
    });
    recover();
    await vi.waitFor(() => expect(commit.behind).toBe(false), { timeout: 5_000 });
    await run(SECOND);
    expect(value()).toBe("running/turn");
  });
});
