import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DedupeFacts, defaultDedupeKey } from "../../src/server/engine/dedupe.js";
import { type Lifetimes, nextDue } from "../../src/server/engine/demotion.js";
import { emptyFoldStatus } from "../../src/server/engine/fold.js";
import { digestWords, promptId, type RuntimeKey, runtimeId } from "../../src/server/engine/identity.js";
import { PRECEDENCE, type Status } from "../../src/server/engine/state.js";
import { canonical, stateHash } from "../../src/server/engine/state-hash.js";
import { holds } from "../support/property.js";

const key: RuntimeKey = {
  targetId: "host",
  bootId: "77:1700000000",
  paneId: "%5",
  paneEpoch: 3,
  agentType: "claude",
  startedAtNs: 1_795_342_744_024_509_200n,
};

describe("TC-004 a runtime id", () => {
  it("is the hex sha256 over the length-prefixed words of its stored columns", () => {
    expect(runtimeId(key)).toBe("9048ad3d1826a7eb5f89ea89b228c1cb5bbc5ef12c208fa9093bb9148cfafe9b");
  });

  it.each<[keyof RuntimeKey, Partial<RuntimeKey>]>([
    ["targetId", { targetId: "vm" }],
    ["bootId", { bootId: "77:1700000001" }],
    ["paneId", { paneId: "%6" }],
    ["paneEpoch", { paneEpoch: 4 }],
    ["agentType", { agentType: "codex" }],
    ["startedAtNs", { startedAtNs: key.startedAtNs + 1n }],
  ])("is another one when %s is", (_name, change) => {
    expect(runtimeId({ ...key, ...change })).not.toBe(runtimeId(key));
  });

  it("never collides by how its words join", () => {
    const words = fc.array(fc.string({ maxLength: 3 }), { maxLength: 4 });
    holds(
      fc.property(words, words, (a, b) => {
        expect(digestWords(a) === digestWords(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      1_000,
    );
    expect(digestWords(["ab", "c"])).not.toBe(digestWords(["a", "bc"]));
  });
});

describe("TC-085 a prompt id", () => {
  it("names runtime, episode and text, and is absent until the text has been read", () => {
    const id = promptId("r1", { episode: 1, digest: "d" });
    expect(id).toMatch(/^[0-9a-f]{32}$/u);
    expect(promptId("r1", { episode: 1 })).toBeUndefined();
    const others = [
      promptId("r2", { episode: 1, digest: "d" }),
      promptId("r1", { episode: 2, digest: "d" }),
      promptId("r1", { episode: 1, digest: "e" }),
    ];
    expect(new Set([id, ...others]).size).toBe(4);
  });
});

describe("TC-007 the default dedupe key", () => {
  const facts: DedupeFacts = {
    eventId: "id-1",
    source: "notify",
    sourceEventId: "turn-1",
    eventType: "agent-turn-complete",
    payload: Buffer.from("{}"),
  };

  it("of a notify is the same in a retry, which has a fresh event id", () => {
    expect(defaultDedupeKey({ ...facts, eventId: "id-2" })).toBe(defaultDedupeKey(facts));
  });

  it.each<[string, Partial<DedupeFacts>]>([
    ["source event id", { sourceEventId: "turn-2" }],
    ["type", { eventType: "approval-requested" }],
    ["payload", { payload: Buffer.from("{ }") }],
    ["payload that is not UTF-8", { payload: Buffer.from([0xff]) }],
  ])("of a notify with another %s is another", (_name, change) => {
    expect(defaultDedupeKey({ ...facts, ...change })).not.toBe(defaultDedupeKey(facts));
  });

  it("of two payloads that differ in bytes that are not UTF-8 differs", () => {
    const of = (byte: number): string => defaultDedupeKey({ ...facts, payload: Buffer.from([byte]) });
    expect(of(0xfe)).not.toBe(of(0xff));
  });

  it.each(["hook", "wrapper", "native", "poller", "reconciler", "action"] as const)(
    "of %s is the event id",
    (source) => {
      expect(defaultDedupeKey({ ...facts, source })).toBe("id-1");
    },
  );
});

describe("the state hash", () => {
  const status: Status = { ...emptyFoldStatus(5), state: "running", reason: "turn" };

  it("does not depend on the order of runtimes or of keys, nor on absent values", () => {
    const other = { ...emptyFoldStatus(7), dialog: undefined };
    const turned = Object.fromEntries(Object.entries(status).reverse()) as unknown as Status; // the same facts
    expect(
      stateHash(
        new Map([
          ["a", status],
          ["b", other],
        ]),
      ),
    ).toBe(
      stateHash(
        new Map([
          ["b", emptyFoldStatus(7)],
          ["a", turned],
        ]),
      ),
    );
  });

  it("tells apart any field of any status", () => {
    const changes: Partial<Status>[] = [
      { state: "idle" },
      { reason: "x" },
      { confidence: "high" },
      { source: "hook" },
      { channel: "x" },
      { eventId: "x" },
      { at: 6 },
      { since: 6 },
      { dialog: { episode: 1 } },
      { dialog: { episode: 1, digest: "d" } },
    ];
    const hashes = [{}, ...changes].map((change) => stateHash(new Map([["r", { ...status, ...change }]])));
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(stateHash(new Map())).not.toBe(stateHash(new Map([["r", status]])));
  });

  it("rests on JSON with sorted keys", () => {
    holds(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.parse(canonical(value))).toEqual(JSON.parse(text));
      }),
      300,
    );
    expect(canonical({ b: [1, { d: null, c: undefined }], a: "x" })).toBe('{"a":"x","b":[1,{"d":null}]}');
  });
});

describe("what falls due by time alone", () => {
  const lifetimes: Lifetimes = { runningTtl: 180, completedTtl: 120 };
  const of = (state: Status["state"], at: number): Status => ({ ...emptyFoldStatus(at), state });

  it("TC-010 is staleness of running, from its newest sign of life", () => {
    expect(nextDue(of("running", 1_000), 900, lifetimes)).toEqual({ kind: "stale", at: 1_180 });
    expect(nextDue(of("running", 1_000), 1_100, lifetimes)).toEqual({ kind: "stale", at: 1_280 });
  });

  it("is demotion of completed, from the end of its turn whatever came later", () => {
    expect(nextDue(of("completed", 1_000), 1_100, lifetimes)).toEqual({ kind: "demotion", at: 1_120 });
  });

  it("is nothing of any other state: a dialog stays open", () => {
    const others = PRECEDENCE.filter((state) => state !== "running" && state !== "completed");
    expect(others.map((state) => nextDue(of(state, 1), 1, lifetimes))).toEqual(others.map(() => undefined));
  });
});
