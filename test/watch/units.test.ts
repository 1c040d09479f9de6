import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AgentState } from "../../gen/agtmux/v1/common_pb.js";
import {
  FilterSchema,
  type Pane,
  PaneSchema,
  SortKey,
  WatchScope,
  WindowSchema,
} from "../../gen/agtmux/v1/state_pb.js";
import { formatCursor, resume, streamId } from "../../src/server/watch/cursor.js";
import { matcher } from "../../src/server/watch/filter.js";
import { sortPanes } from "../../src/server/watch/listing.js";
import { WatchLog } from "../../src/server/watch/log.js";
import { RowArchive } from "../../src/server/watch/row-archive.js";
import { stateName, timestamp } from "../../src/server/watch/rows.js";
import type { RowChange } from "../../src/server/watch/view.js";

const SEED = { seed: 20_260_801 };
const states = [
  AgentState.UNKNOWN,
  AgentState.IDLE,
  AgentState.COMPLETED,
  AgentState.RUNNING,
  AgentState.WAITING_INPUT,
  AgentState.WAITING_APPROVAL,
  AgentState.ERROR,
];
const NEEDY = new Set([AgentState.WAITING_INPUT, AgentState.WAITING_APPROVAL, AgentState.ERROR]);

const anyPane = fc
  .record({
    target: fc.constantFrom("a", "b"),
    session: fc.constantFrom("s", "t/u", "ü %"),
    window: fc.nat(2),
    index: fc.nat(2),
    pane: fc.nat(1_000),
    agent: fc.option(
      fc.record({
        type: fc.constantFrom("claude", "codex"),
        state: fc.constantFrom(...states),
        at: fc.nat(3),
      }),
      { nil: undefined },
    ),
  })
  .map(({ target, session, window, index, pane, agent }) =>
    create(PaneSchema, {
      identity: { target, sessionName: session, windowId: `@${window}`, paneId: `%${pane}` },
      windowIndex: window,
      paneIndex: index,
      ...(agent === undefined
        ? {}
        : {
            agent: {
              runtimeId: String(pane),
              agentType: agent.type,
              state: agent.state,
              since: timestamp(agent.at * 1_000),
              updatedAt: timestamp(agent.at * 1_000_000),
            },
          }),
    }),
  );
const panes = fc.uniqueArray(anyPane, {
  selector: ({ identity }) => `${identity?.target} ${identity?.paneId}`,
  maxLength: 30,
});

describe("the watch log", () => {
  it("TC-019 keeps at most its entries and its bytes, and its reach says from where one can go on", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 700, max: 20_000 }),
        fc.nat(4_000),
        (entries, bytes, count) => {
          const log = new WatchLog(entries, bytes);
          for (let at = 1; at <= count; at++) {
            const after = create(PaneSchema, { title: "x".repeat(500) });
            const entry = log.append({ panes: [{ after }], windows: [], sessions: [] }, [], at);
            expect(entry.sequence).toBe(at);
          }
          expect(log.head).toBe(count);
          const kept = log.head - log.reach;
          expect(kept).toBeLessThanOrEqual(entries);
          const inReach = log.between(log.reach, log.head);
          expect(inReach.map((entry) => entry.sequence)).toEqual(
            Array.from({ length: kept }, (_, at) => log.reach + at + 1),
          );
          expect(inReach.reduce((sum, entry) => sum + entry.bytes, 0)).toBeLessThanOrEqual(bytes);
          // As much as fits is kept.
          const [first] = inReach;
          if (count > kept && first !== undefined)
            expect(kept === entries || (kept + 1) * first.bytes > bytes).toBe(true);
          expect(log.between(log.head, log.head + 1)).toEqual([]);
        },
      ),
      { ...SEED, numRuns: 30 },
    );
  });
});

describe("an entry of the watch log", () => {
  it("TC-019 is the same however old it is", () => {
    const log = new WatchLog(5_000, 32 * 1024 * 1024);
    const rows = fc.sample(anyPane, { ...SEED, numRuns: 2_000 });
    const window = create(WindowSchema, { identity: { target: "host", windowId: "@1" } });
    const changes = rows.map((after, at) => ({
      panes: [{ before: rows[at - 1], after }],
      windows: [{ before: window }],
      sessions: [],
    }));
    for (const change of changes) log.append(change, [], 1);
    const kept = log.between(0, log.head);
    expect(kept.map((entry) => ({ panes: entry.panes, windows: entry.windows }))).toEqual(
      changes.map(({ panes: changed, windows }) => ({ panes: changed, windows })),
    );
  });
});

describe("several entries of the watch log", () => {
  /** What happened to some panes, one change an entry: a pane's number, and whether it goes. */
  const history = fc.array(fc.tuple(fc.nat(9), fc.boolean()), { minLength: 1, maxLength: 3_000 });

  /** Plays a history into a log; a quiet pane changes at the very end only, long after its row was archived. */
  function play(log: WatchLog, steps: readonly (readonly [number, boolean])[]) {
    const now = new Map<number, Pane>();
    const changes: RowChange<Pane>[] = [];
    const change = (key: number, goes: boolean): void => {
      const before = now.get(key);
      const title = `${changes.length} ${"x".repeat(300)}`;
      const gone = goes && before !== undefined;
      const after = gone ? undefined : create(PaneSchema, { identity: { paneId: `%${key}` }, title });
      if (after === undefined) now.delete(key);
      else now.set(key, after);
      const made = { ...(before && { before }), ...(after && { after }) };
      changes.push(made);
      log.append({ panes: [made], windows: [], sessions: [] }, [], changes.length);
    };
    change(99, false);
    for (const [key, goes] of steps) change(key, goes);
    change(99, false);
    return changes;
  }

  it("TC-019 are joined to what was before the first and is after the last of them, for each row", () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 4_000 }), fc.nat(), fc.nat(), (steps, size, a, b) => {
        const log = new WatchLog(size, 2 * 1024 * 1024);
        const changes = play(log, steps);
        const { reach, head } = log;
        const [from = reach, to = head] = [a, b]
          .map((n) => reach + (n % (head - reach + 1)))
          .sort((x, y) => x - y);
        const asked = changes.slice(from, to);
        expect(log.between(from, to).map(({ panes: [pane] }) => pane)).toEqual(asked);
        const merged = log.merged(from, to);
        expect(merged?.sequence).toBe(from === to ? undefined : to);
        const ends = (list: readonly RowChange<Pane>[]) => {
          const byPane = new Map<string, RowChange<Pane>>();
          for (const { before, after } of list) {
            const key = (after ?? before)?.identity?.paneId ?? "";
            const first = byPane.get(key);
            byPane.set(key, { before: first === undefined ? before : first.before, after });
          }
          // What came and went in between is nobody's business.
          for (const [key, { before, after }] of byPane) if (!before && !after) byPane.delete(key);
          return byPane;
        };
        expect(ends(merged?.panes ?? [])).toEqual(ends(asked));
      }),
      { ...SEED, numRuns: 40 },
    );
  });

  it("TC-019 tell what a row was before that had not changed for longer than the log reaches", () => {
    const log = new WatchLog(1_500, 32 * 1024 * 1024);
    const changes = play(
      log,
      Array.from({ length: 12_000 }, (_, at) => [at % 10, false] as const),
    );
    expect(log.between(log.head - 1, log.head)[0]?.panes).toEqual([changes.at(-1)]);
    expect(log.merged(log.head - 1, log.head)?.panes).toEqual([changes.at(-1)]);
    expect(changes.at(-1)?.before).toBe(changes[0]?.after);
  });
});

describe("the archive of rows", () => {
  it("TC-069 gives back every row that it must hold still, and takes a fraction of their bytes", () => {
    const archive = new RowArchive();
    const row = (number: number) => Buffer.from(`${number} ${"the same in every row ".repeat(number % 30)}`);
    let bytes = 0;
    for (let number = 0; number < 20_000; number++) {
      expect(archive.put(row(number))).toBe(number);
      bytes += row(number).length;
      if (number % 3_000 === 0) archive.dropBefore(number - 5_000);
    }
    expect(archive.oldest).toBeLessThanOrEqual(13_000);
    expect(archive.oldest).toBeGreaterThan(12_000);
    const read = archive.reader();
    for (let number = archive.oldest; number < archive.next; number += 7)
      expect(Buffer.from(read(number))).toEqual(row(number));
    for (const number of [19_999, 13_001, 16_000]) expect(Buffer.from(read(number))).toEqual(row(number));
    expect(() => read(archive.oldest - 1)).toThrow(RangeError);
    expect(archive.held).toBeLessThan(bytes / 8);
    archive.dropBefore(archive.next);
    expect(archive.held).toBeLessThan(64 * 1024);
  });
});

describe("a cursor", () => {
  it("TC-019 comes back as it was given; of another stream, too old or of the future it is told apart", () => {
    const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(hex, hex, fc.nat(1_000_000), fc.nat(1_000_000), fc.nat(1_000_000), (id, other, a, b, c) => {
        const [reach = 0, sequence = 0, head = 0] = [a, b, c].sort((x, y) => x - y);
        expect(resume(formatCursor(id, sequence), id, reach, head)).toEqual({ kind: "live", sequence });
        if (other !== id) {
          expect(resume(formatCursor(other, sequence), id, reach, head)).toEqual({
            kind: "expired",
            reason: "stream_changed",
          });
        }
        if (reach > 0) {
          expect(resume(formatCursor(id, reach - 1), id, reach, head)).toEqual({
            kind: "expired",
            reason: "cursor_expired",
          });
        }
        expect(() => resume(formatCursor(id, head + 1), id, reach, head)).toThrow("future");
      }),
      SEED,
    );
  });

  it("TC-020 names daemon life, scope and filter, and nothing else", () => {
    const base = create(FilterSchema, { targets: ["a"], states: [AgentState.IDLE] });
    const id = streamId("life", WatchScope.PANES, base);
    expect(
      streamId(
        "life",
        WatchScope.PANES,
        create(FilterSchema, { targets: ["a", "a"], states: [AgentState.IDLE] }),
      ),
    ).toBe(id);
    const others = [
      streamId("other", WatchScope.PANES, base),
      streamId("life", WatchScope.WINDOWS, base),
      ...[
        { sessions: ["a"] },
        { targetSessions: ["a"] },
        { agents: ["a"] },
        { needsAction: true },
        { needsAction: false },
      ].map((more) =>
        streamId("life", WatchScope.PANES, { ...base, ...create(FilterSchema, more), targets: ["a"] }),
      ),
    ];
    expect(new Set([id, ...others]).size).toBe(others.length + 1);
  });
});

describe("filters", () => {
  const some = <T>(...from: T[]) => fc.uniqueArray(fc.constantFrom(...from), { maxLength: 2 });
  it("TC-048 let through exactly what each of their parts lets through", () => {
    const filters = fc.record({
      targets: some("a", "b", "c"),
      sessions: some("s", "t/u"),
      targetSessions: some("a/s", "b/t/u"),
      states: some(...states),
      agents: some("claude", "codex"),
      needsAction: fc.constantFrom(undefined, true, false),
      includePlain: fc.boolean(),
    });
    fc.assert(
      fc.property(panes, filters, (rows, { needsAction, ...lists }) => {
        const filter = create(FilterSchema, {
          ...lists,
          ...(needsAction === undefined ? {} : { needsAction }),
        });
        const fits = ({ identity, agent }: Pane): boolean => {
          const { target = "", sessionName = "" } = identity ?? {};
          if (lists.targets.length > 0 && !lists.targets.includes(target)) return false;
          if (lists.sessions.length > 0 && !lists.sessions.includes(sessionName)) return false;
          if (lists.targetSessions.length > 0 && !lists.targetSessions.includes(`${target}/${sessionName}`))
            return false;
          if (agent === undefined) {
            return (
              lists.includePlain && lists.states.length + lists.agents.length === 0 && needsAction !== true
            );
          }
          if (lists.states.length > 0 && !lists.states.includes(agent.state)) return false;
          if (lists.agents.length > 0 && !lists.agents.includes(agent.agentType)) return false;
          return needsAction === undefined || NEEDY.has(agent.state) === needsAction;
        };
        expect(rows.filter((row) => matcher(filter).pane(row))).toEqual(rows.filter(fits));
      }),
      SEED,
    );
  });

  it("every state of the wire has its name, and nothing else has one", () => {
    expect(states.map((state) => stateName(state))).toEqual(
      states.map((state) => AgentState[state].toLowerCase()),
    );
    expect([stateName(AgentState.UNSPECIFIED), stateName(99 as AgentState)]).toEqual([undefined, undefined]);
  });
});

describe("sorting", () => {
  it("TC-048 is total: whatever the order before, the same order after; descending turns values, not ties", () => {
    const keys = fc.constantFrom(
      SortKey.UNSPECIFIED,
      SortKey.IDENTITY,
      SortKey.STATE,
      SortKey.SINCE,
      SortKey.UPDATED_AT,
      SortKey.AGENT,
    );
    fc.assert(
      fc.property(panes, keys, fc.boolean(), fc.infiniteStream(fc.nat()), (rows, key, descending, order) => {
        const sort = { $typeName: "agtmux.v1.Sort" as const, key, descending };
        const shuffled = rows
          .map((row) => ({ row, at: order.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ row }) => row);
        const sorted = sortPanes(rows, sort);
        expect(sortPanes(shuffled, sort)).toEqual(sorted);
        expect(new Set(sorted)).toEqual(new Set(rows));
        const plain = sorted.findIndex(({ agent }) => agent === undefined);
        const byValue = key !== SortKey.UNSPECIFIED && key !== SortKey.IDENTITY;
        if (byValue && plain >= 0)
          expect(sorted.slice(plain).every(({ agent }) => agent === undefined)).toBe(true);
        if (key === SortKey.STATE) {
          const ranks = sorted.flatMap(({ agent }) =>
            agent === undefined ? [] : [states.indexOf(agent.state)],
          );
          expect(ranks).toEqual([...ranks].sort((a, b) => (descending ? a - b : b - a)));
        }
      }),
      SEED,
    );
  });
});
