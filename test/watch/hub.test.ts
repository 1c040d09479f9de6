import { create, equals, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AgentState, ErrorCode, SummarySchema } from "../../gen/agtmux/v1/common_pb.js";
import {
  ChangeOp,
  type FilterSchema,
  PaneSchema,
  SessionSchema,
  WatchRequestSchema,
  type WatchResponse,
  WatchScope,
  WatchType,
  WindowSchema,
} from "../../gen/agtmux/v1/state_pb.js";
import { ContractError } from "../../src/server/contract-error.js";
import type { View } from "../../src/server/watch/view.js";
import { fold } from "../daemon/support/watcher.js";
import { random, World } from "./world.js";

const SEED = 7;

/** What a new reader is shown at the same moment: the truth that every fold is held against. */
async function truth(
  world: World,
  request: MessageInitShape<typeof WatchRequestSchema>,
): Promise<WatchResponse> {
  const [snapshot] = await world.read({ ...request, cursor: "" });
  if (snapshot === undefined) throw new Error("no snapshot");
  return snapshot;
}

const filters: [string, MessageInitShape<typeof FilterSchema>][] = [
  ["nothing", {}],
  ["plain rows too", { includePlain: true }],
  ["states", { states: [AgentState.RUNNING, AgentState.WAITING_APPROVAL] }],
  ["needs_action", { needsAction: true }],
  ["what needs nobody", { needsAction: false }],
  ["an agent and a session", { agents: ["claude"], sessions: ["s0", "n7", "n8", "n9"] }],
];
const scopes = [WatchScope.PANES, WatchScope.WINDOWS, WatchScope.SESSIONS];

describe("the fold of a stream", () => {
  it.each(scopes.flatMap((scope) => filters.map(([name, filter]) => ({ scope, name, filter }))))(
    "TC-041 TC-019 equals a fresh snapshot after every step, summary included: scope $scope, filter on $name",
    async ({ scope, filter }) => {
      const world = new World(random(SEED));
      world.publish();
      const request = { scope, filter };
      const received: WatchResponse[] = await world.read(request);
      for (let step = 0; step < 100; step++) {
        world.step();
        const cursor = received.at(-1)?.cursor ?? "";
        received.push(...(await world.read({ ...request, cursor })));
        const now = await truth(world, request);
        expect(fold(received)).toEqual(fold([now]));
        const last = received.at(-1);
        if (last?.summary === undefined || now.summary === undefined) throw new Error("no summary");
        expect(equals(SummarySchema, last.summary, now.summary), `summary at step ${step}`).toBe(true);
        expect(last.respondedTargets).toEqual(now.respondedTargets);
      }
      const sequences = received
        .filter(({ type }) => type === WatchType.DELTA)
        .map(({ sequence }) => sequence);
      expect(new Set(sequences).size).toBe(sequences.length);
      expect(sequences).toEqual([...sequences].sort((a, b) => Number(a - b)));
    },
  );

  it("TC-019 from every cursor of a log on: no gap, nothing twice, and the same end", async () => {
    const world = new World(random(SEED));
    world.publish();
    const request = { filter: { includePlain: true } };
    const live = await world.read(request);
    for (let step = 0; step < 240; step++) {
      world.step();
      live.push(...(await world.read({ ...request, cursor: live.at(-1)?.cursor ?? "" })));
    }
    const last = live.at(-1);
    const end = fold(live);
    const streamId = last?.streamId ?? "";
    for (let sequence = 1; sequence <= world.log.head; sequence++) {
      const told = live.filter(
        (message) => message.type !== WatchType.BOOKMARK && Number(message.sequence) > sequence,
      );
      const resumed = await world.read({ ...request, cursor: `${streamId}:${sequence}` });
      const deltas = resumed.filter(({ type }) => type === WatchType.DELTA);
      expect(deltas.map((message) => message.sequence)).toEqual(told.map((message) => message.sequence));
      expect(resumed.length).toBeGreaterThan(0);
      const known = live.filter((message) => Number(message.sequence) <= sequence);
      if (known.length > 0) expect(fold([...known, ...resumed])).toEqual(end);
    }
  });
});

describe("a first message", () => {
  it("TC-019 comes at once even if nothing after the cursor fits the filter", async () => {
    const world = new World(random(SEED));
    world.publish();
    const request = { filter: { agents: ["nobody"] } };
    const [snapshot] = await world.read(request);
    for (let step = 0; step < 5; step++) world.step();
    const [first] = await world.read({ ...request, cursor: snapshot?.cursor ?? "" });
    expect(first?.type).toBeDefined();
    expect(first?.sequence).toBe(BigInt(world.log.head));
  });

  it("TC-020 is a bookmark at the head, and a bookmark can be resumed from", async () => {
    const world = new World(random(SEED));
    world.publish();
    const [snapshot] = await world.read();
    const [bookmark, ...more] = await world.read({ cursor: snapshot?.cursor ?? "" });
    expect([bookmark?.type, bookmark?.cursor, more]).toEqual([WatchType.BOOKMARK, snapshot?.cursor, []]);
    const again = await world.read({ cursor: bookmark?.cursor ?? "" });
    expect(again).toHaveLength(1);
  });
});

describe("bookmarks", () => {
  it("TC-045 keep coming to a reader whose filter matches nothing while others are busy", async () => {
    const world = new World(random(SEED), { bookmarkMs: 30 });
    world.publish();
    const abort = new AbortController();
    const request = create(WatchRequestSchema, { filter: { agents: ["nobody"] } });
    const stream = world.hub.stream(request, abort.signal);
    await stream.next();
    const busy = setInterval(() => {
      for (const id of world.paneIds().slice(0, 1))
        world.setState(id, Date.now() % 2 === 0 ? "running" : "idle");
      world.publish();
    }, 5);
    try {
      const heard: bigint[] = [];
      for (let at = 0; at < 3; at++) {
        const { value } = await stream.next();
        expect(value?.type).toBe(WatchType.BOOKMARK);
        heard.push(value?.sequence ?? -1n);
      }
      expect(heard).toEqual([...heard].sort((a, b) => Number(a - b)));
      // Its cursor moves on with the log, so that it stays in reach.
      expect(Number(heard[2])).toBeGreaterThan(Number(heard[0]));
    } finally {
      clearInterval(busy);
      abort.abort();
      await stream.return(undefined);
    }
  });
});

describe("cursors", () => {
  const bad = [
    ":", "x", "life:1", "0", "-1", `${"0".repeat(32)}`, `${"0".repeat(32)}:`, `${"0".repeat(32)}:-1`,
    `${"0".repeat(32)}:1e3`, `${"0".repeat(32)}:1.5`, `${"0".repeat(32)}:+1`, `${"0".repeat(32)}: 1`,
    `${"0".repeat(32)}:01`, `${"0".repeat(32)}:18446744073709551616`, `${"0".repeat(32)}:9999999999999999`,
    `${"0".repeat(32)}:١`, `${"G".repeat(32)}:1`, `${"0".repeat(31)}:1`, `${"0".repeat(32)}:1\n`, `${"0".repeat(32)}:1:1`,
    "\u0000", "x".repeat(100_000),
  ]; // biome-ignore format: a table

  it.each(bad.map((cursor) => ({ shown: JSON.stringify(cursor).slice(0, 60), cursor })))(
    "TC-020 $shown is E_CURSOR_INVALID",
    async ({ cursor }) => {
      const world = new World(random(SEED));
      world.publish();
      await expect(world.read({ cursor })).rejects.toMatchObject({ code: ErrorCode.E_CURSOR_INVALID });
      expect(world.hub.watchers).toBe(0);
    },
  );

  it("TC-020 one of the future is E_CURSOR_INVALID, one of another stream is reset, strict is an error", async () => {
    const world = new World(random(SEED));
    world.publish();
    const [snapshot] = await world.read();
    const streamId = snapshot?.streamId ?? "";
    await expect(world.read({ cursor: `${streamId}:${world.log.head + 1}` })).rejects.toMatchObject({
      code: ErrorCode.E_CURSOR_INVALID,
    });
    const others: MessageInitShape<typeof WatchRequestSchema>[] = [
      { cursor: `${"0".repeat(32)}:1` },
      { cursor: `${streamId}:1`, scope: WatchScope.WINDOWS },
      { cursor: `${streamId}:1`, filter: { needsAction: false } },
      { cursor: `${streamId}:1`, filter: { includePlain: true } },
    ];
    for (const request of others) {
      const [reset, after] = await world.read(request);
      expect([reset?.type, reset?.resetReason, after?.type]).toEqual([
        WatchType.RESET,
        "stream_changed",
        WatchType.SNAPSHOT,
      ]);
      const strict = await world.read({ ...request, strict: true }).catch((error: unknown) => error);
      if (!(strict instanceof ContractError)) throw new Error("a strict reader was not refused");
      expect([strict.code, strict.details]).toEqual([
        ErrorCode.E_CURSOR_EXPIRED,
        { reason: "stream_changed" },
      ]);
    }
    // The same filter in other words is the same stream.
    const [same] = await world.read({ filter: { targets: ["b", "a"] } });
    const [shuffled] = await world.read({ filter: { targets: ["a", "b", "a"] } });
    expect(same?.streamId).toBe(shuffled?.streamId);
  });

  it("TC-020 one that the log has let go is reset and gets a snapshot; the oldest in reach goes on", async () => {
    const world = new World(random(SEED), { entries: 20 });
    world.publish();
    const request = { filter: { includePlain: true } };
    const first = (await world.read(request))[0];
    const live = [...(first === undefined ? [] : [first])];
    for (let step = 0; step < 100; step++) {
      world.step();
      live.push(...(await world.read({ ...request, cursor: live.at(-1)?.cursor ?? "" })));
    }
    expect(live.filter(({ type }) => type === WatchType.RESET)).toEqual([]);
    const at = (sequence: number) => `${first?.streamId}:${sequence}`;
    const { reach, head } = world.log;
    expect(head - reach).toBe(20);
    for (const sequence of [0, 1, reach - 1]) {
      const [reset, snapshot] = await world.read({ ...request, cursor: at(sequence) });
      expect([reset?.resetReason, snapshot?.type]).toEqual(["cursor_expired", WatchType.SNAPSHOT]);
      expect(fold([snapshot ?? live[0]].flatMap((one) => one ?? []))).toEqual(fold(live));
    }
    for (const sequence of [reach, reach + 1, head - 1, head]) {
      const resumed = await world.read({ ...request, cursor: at(sequence) });
      expect(resumed[0]?.type).not.toBe(WatchType.RESET);
      const known = live.filter((message) => Number(message.sequence) <= sequence);
      expect(fold([...known, ...resumed])).toEqual(fold(live));
    }
  });
});

describe("what a filter lets through", () => {
  it("TC-041 leaving it is a delete, entering it an upsert, and a change outside it nothing", async () => {
    const world = new World(random(SEED));
    const [pane] = world.paneIds();
    if (pane === undefined) throw new Error("no pane");
    world.setState(pane, "idle");
    world.publish();
    const request = { filter: { needsAction: true } };
    const messages = await world.read(request);
    const change = async (state: Parameters<World["setState"]>[1]): Promise<(ChangeOp | undefined)[]> => {
      world.setState(pane, state);
      world.publish();
      const more = await world.read({ ...request, cursor: messages.at(-1)?.cursor ?? "" });
      messages.push(...more);
      return more.flatMap(({ changes }) => changes.map(({ op }) => op));
    };
    expect(await change("running")).toEqual([]);
    expect(await change("waiting_approval")).toEqual([ChangeOp.UPSERT]);
    expect(await change("error")).toEqual([ChangeOp.UPSERT]);
    expect(await change("completed")).toEqual([ChangeOp.DELETE]);
    expect(messages.at(-1)?.summary?.total).toBe(0);
  });
});

describe("the summary", () => {
  it("TC-042 is told when it changes although no shown row does", async () => {
    const world = new World(random(SEED));
    const [calm] = world.paneIds();
    if (calm === undefined) throw new Error("no pane");
    world.setState(calm, "idle");
    world.addPane();
    const failed = world.paneIds().at(-1);
    if (failed === undefined) throw new Error("no pane");
    world.setState(failed, "error");
    world.publish();
    // The one window needs the user and is not shown, but its calm pane counts.
    const abort = new AbortController();
    const request = create(WatchRequestSchema, { scope: WatchScope.WINDOWS, filter: { needsAction: false } });
    const stream = world.hub.stream(request, abort.signal);
    const { value: snapshot } = await stream.next();
    expect([snapshot?.items, snapshot?.summary?.byState]).toEqual([[], { idle: 1 }]);
    const next = stream.next();
    world.setState(calm, "running");
    world.publish();
    const { value: delta } = await next;
    expect([delta?.type, delta?.changes, delta?.summary?.byState]).toEqual([
      WatchType.DELTA,
      [],
      { running: 1 },
    ]);
    abort.abort();
    await stream.return(undefined);
  });
});

describe("the view", () => {
  it("TC-041 shows after any changes what one made of the present alone would show", () => {
    const world = new World(random(SEED));
    const picture = (view: View): unknown =>
      [
        [...view.panes()].map((row) => toJson(PaneSchema, row)),
        [...view.windows()].map((row) => toJson(WindowSchema, row)),
        [...view.sessions()].map((row) => toJson(SessionSchema, row)),
      ].map((rows) => rows.map((row) => JSON.stringify(row)).sort());
    for (let step = 0; step < 400; step += 1) {
      world.step();
      expect(picture(world.view)).toEqual(picture(world.freshView()));
    }
  });
});

describe("a reader that is slow", () => {
  it("TC-069 far behind gets one merged delta, marked so, that ends in the same state", async () => {
    const world = new World(random(SEED));
    world.publish();
    const request = { filter: { includePlain: true } };
    const messages = await world.read(request);
    for (let step = 0; step < 600; step++) world.step();
    const rest = await world.read({ ...request, cursor: messages[0]?.cursor ?? "" });
    expect(rest).toHaveLength(1);
    expect(rest[0]?.coalesced).toBe(true);
    expect(fold([...messages, ...rest])).toEqual(fold([await truth(world, request)]));
    const identities = rest[0]?.changes.map(({ identity }) =>
      JSON.stringify(identity.value, (_, v) => (typeof v === "bigint" ? String(v) : v)),
    );
    expect(new Set(identities).size).toBe(identities?.length);
  });

  it("TC-069 behind the log's reach while connected is reset(too_slow), then a snapshot", async () => {
    const world = new World(random(SEED), { entries: 10 });
    world.publish();
    const abort = new AbortController();
    const stream = world.hub.stream(create(WatchRequestSchema, {}), abort.signal);
    await stream.next();
    for (let step = 0; step < 50; step++) world.step();
    const reset = await stream.next();
    const snapshot = await stream.next();
    expect([reset.value?.resetReason, snapshot.value?.type]).toEqual(["too_slow", WatchType.SNAPSHOT]);
    abort.abort();
    await stream.return(undefined);
    expect(world.hub.watchers).toBe(0);
  });

  it("ends with reset(shutdown) after everything that was still to be told", async () => {
    const world = new World(random(SEED));
    world.publish();
    const messages = await world.read({ filter: { includePlain: true } });
    world.addPane();
    world.publish();
    world.hub.close();
    const rest = await world.read({ filter: { includePlain: true }, cursor: messages.at(-1)?.cursor ?? "" });
    expect(rest.map(({ type }) => type)).toEqual([WatchType.DELTA, WatchType.RESET]);
    expect(rest[1]?.resetReason).toBe("shutdown");
  });
});
