import { describe, expect, it } from "vitest";
import { runtimeId } from "../../src/server/engine/identity.js";
import type { RuntimeRecord } from "../../src/server/store/runtime-store.js";
import { openStore, type Store } from "../../src/server/store/store.js";
import { useDatabaseFile } from "./database-file.js";

const file = useDatabaseFile();

function opened(): Store {
  const store = openStore(file().path, () => new Date(0));
  store.targets.insert({ targetId: "host", kind: "local", sshTarget: "", tmuxSocket: "", createdAt: 1 });
  return store;
}

interface Process {
  readonly bootId?: string;
  readonly panePid?: number;
  readonly pid: number;
  readonly startedAtNs?: bigint;
}

/** What the tracker does when an agent appears in the pane %1. */
function begin(
  store: Store,
  { bootId = "77:1", panePid = 10, pid, startedAtNs = 5_000n }: Process,
): RuntimeRecord {
  const place = { targetId: "host", bootId, paneId: "%1" };
  const paneEpoch = store.runtimes.nextEpoch({ ...place, panePid }, 1);
  const record: RuntimeRecord = {
    ...place,
    runtimeId: runtimeId({ ...place, paneEpoch, agentType: "claude", startedAtNs }),
    paneEpoch,
    agentType: "claude",
    hostBootId: "boot",
    agentPid: pid,
    agentStartRaw: String(pid),
    startedAtNs,
    agentSessionId: "",
    panePid,
    session: "work",
    windowId: "@1",
    cwd: "/w",
    createdAt: 1,
  };
  store.runtimes.insert(record);
  return record;
}

describe("TC-004 runtimes in the store", () => {
  it("have ids that their stored columns give again, to the nanosecond", () => {
    const store = opened();
    const startedAtNs = 1_795_342_744_024_509_201n;
    const { runtimeId: id } = begin(store, { pid: 42, startedAtNs });
    const stored = store.runtimes.find(id);
    expect(stored?.startedAtNs).toBe(startedAtNs);
    expect(stored === undefined ? "" : runtimeId(stored)).toBe(id);
    store.close();
  });

  it("are new, with the epoch one higher, for another process, a respawn and another tmux server; the old one ends", () => {
    const store = opened();
    const lives = [
      begin(store, { pid: 42 }),
      ...[
        { pid: 43 },
        { pid: 44, panePid: 20 },
        { pid: 44, panePid: 20, bootId: "78:2" },
        // The same process facts once more: the epoch alone tells them apart.
        { pid: 44, panePid: 20, bootId: "78:2" },
      ].map((process) => {
        const [active] = store.runtimes.active();
        if (active === undefined) throw new Error("one is active");
        store.runtimes.end(active.runtimeId, { at: 2, reason: "displaced" });
        return begin(store, process);
      }),
    ];
    expect(lives.map(({ paneEpoch }) => paneEpoch)).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(lives.map(({ runtimeId: id }) => id)).size).toBe(5);
    expect(store.runtimes.active().map(({ runtimeId: id }) => id)).toEqual([lives.at(-1)?.runtimeId]);
    store.close();
  });

  it("go on counting epochs in the next daemon life", () => {
    const first = opened();
    const { runtimeId: id } = begin(first, { pid: 42 });
    first.runtimes.end(id, { at: 2, reason: "exited" });
    first.close();
    const second = opened();
    expect(begin(second, { pid: 42 }).paneEpoch).toBe(2);
    second.close();
  });

  it("end once: a second ending changes nothing", () => {
    const store = opened();
    const { runtimeId: id } = begin(store, { pid: 42 });
    store.runtimes.end(id, { at: 2, reason: "exited", exitStatus: 143 });
    store.runtimes.end(id, { at: 3, reason: "pane_gone" });
    expect(store.runtimes.find(id)).toMatchObject({ endedAt: 2, endReason: "exited", exitStatus: 143 });
    store.close();
  });
});

describe("TC-003 two connections that insert at once", () => {
  it("never leave one pane with two active runtimes, however their steps fall", () => {
    const one = opened();
    const two = opened();
    let refused = 0;
    for (let round = 0; round < 40; round++) {
      for (const [index, store] of (round % 2 === 0 ? [one, two] : [two, one]).entries()) {
        try {
          store.transaction(() => begin(store, { pid: 100 + round * 2 + index }));
        } catch (error) {
          expect(String(error)).toMatch(/UNIQUE constraint failed: runtimes.target_id, runtimes.pane_id/u);
          refused += 1;
        }
      }
      const active = one.runtimes.active();
      expect(active).toHaveLength(1);
      expect(two.runtimes.active()).toEqual(active);
      if (round % 3 === 0) one.runtimes.end(active[0]?.runtimeId ?? "", { at: 2, reason: "exited" });
    }
    expect(refused).toBeGreaterThan(40);
    one.close();
    two.close();
  });

  it("give no epoch twice, and a refused insert takes its epoch back", () => {
    const one = opened();
    const two = opened();
    const first = one.transaction(() => begin(one, { pid: 42 }));
    expect(() => two.transaction(() => begin(two, { pid: 43 }))).toThrow(/UNIQUE/u);
    two.runtimes.end(first.runtimeId, { at: 2, reason: "displaced" });
    expect(two.transaction(() => begin(two, { pid: 43 })).paneEpoch).toBe(2);
    one.close();
    two.close();
  });
});
