import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AgentState, SummarySchema } from "../../gen/agtmux/v1/common_pb.js";
import {
  type FilterSchema,
  StateService,
  WatchRequestSchema,
  type WatchResponse,
  WatchScope,
  WatchType,
} from "../../gen/agtmux/v1/state_pb.js";
import { stateService } from "../../src/server/api/state-service.js";
import { fold, listed } from "../daemon/support/watcher.js";
import { holdsAsync, PATIENCE } from "../support/property.js";
import { random, World } from "./world.js";

type Filter = MessageInitShape<typeof FilterSchema>;

const FILTERS: readonly Filter[] = [
  {},
  { includePlain: true },
  { needsAction: true },
  { states: [AgentState.RUNNING, AgentState.IDLE] },
  { agents: ["codex"], sessions: ["s0", "n7"] },
  { targets: ["t", "nowhere"] },
];
const SCOPES = [WatchScope.PANES, WatchScope.WINDOWS, WatchScope.SESSIONS] as const;

/** One who watches, leaves, comes back where it was or further back, and reads as fast as it likes. */
class Reader {
  /** What it goes by: everything received that its last cursor stands for. */
  known: WatchResponse[] = [];
  #stream: AsyncGenerator<WatchResponse> | undefined;
  #next: Promise<IteratorResult<WatchResponse>> | undefined;
  #abort = new AbortController();

  constructor(
    readonly scope: WatchScope,
    readonly filter: Filter,
  ) {}

  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  /** Connects; `back` messages are forgotten first, so that the cursor is an older one. */
  connect(world: World, back: number): void {
    if (this.#stream !== undefined) return;
    this.known = this.known.slice(0, Math.max(0, this.known.length - back));
    const cursor = this.known.at(-1)?.cursor ?? "";
    this.#abort = new AbortController();
    const request = create(WatchRequestSchema, { scope: this.scope, filter: this.filter, cursor });
    this.#stream = world.hub.stream(request, this.#abort.signal);
  }

  /** Takes up to `count` messages that are there. Resolves to how many there were. */
  async read(count: number): Promise<number> {
    for (let taken = 0; taken < count; taken += 1) {
      if (this.#stream === undefined) return taken;
      this.#next ??= this.#stream.next();
      const got = await Promise.race([
        this.#next,
        new Promise<"waits">((resolve) => setImmediate(resolve, "waits")),
      ]);
      if (got === "waits") return taken;
      this.#next = undefined;
      if (got.done === true) {
        this.#stream = undefined;
        return taken;
      }
      this.#take(got.value);
    }
    return count;
  }

  async leave(): Promise<void> {
    this.#abort.abort();
    const stream = this.#stream;
    this.#stream = undefined;
    this.#next = undefined;
    await stream?.return(undefined);
  }

  #take(message: WatchResponse): void {
    const last = this.known.at(-1);
    // Ordered and unique, on one stream and over all its resumptions.
    if (last !== undefined && last.streamId === message.streamId && last.type !== WatchType.RESET) {
      const isStep = message.type === WatchType.DELTA || message.type === WatchType.BOOKMARK;
      if (message.type === WatchType.DELTA) expect(message.sequence).toBeGreaterThan(last.sequence);
      if (isStep) expect(message.sequence).toBeGreaterThanOrEqual(last.sequence);
      else expect(message.type).toBe(WatchType.RESET);
    }
    this.known.push(message);
  }
}

/** What a list shows at this moment, as a stream would have carried it. */
async function list(world: World, { scope, filter }: Reader) {
  const transport = createRouterTransport(({ service }) => {
    // Ended rows are asked for by no request here, and nothing is explained.
    const parts = { hub: world.hub, now: () => 1_000_000 } as Parameters<typeof stateService>[0];
    service(StateService, stateService(parts));
  });
  const state = createClient(StateService, transport);
  if (scope === WatchScope.WINDOWS) {
    const answer = await state.listWindows({ filter });
    return { answer, rows: listed({ windows: answer.windows }) };
  }
  if (scope === WatchScope.SESSIONS) {
    const answer = await state.listSessions({ filter });
    return { answer, rows: listed({ sessions: answer.sessions }) };
  }
  const answer = await state.listPanes({ filter });
  return { answer, rows: listed({ panes: answer.panes }) };
}

type Move =
  | { readonly kind: "change"; readonly steps: number }
  | { readonly kind: "connect"; readonly reader: number; readonly back: number }
  | { readonly kind: "read"; readonly reader: number; readonly count: number }
  | { readonly kind: "leave"; readonly reader: number }
  | { readonly kind: "restart" };

const reader = fc.nat({ max: 5 });
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("change"), steps: fc.integer({ min: 1, max: 12 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("connect"), reader, back: fc.constantFrom(0, 0, 0, 1, 3, 99) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("read"), reader, count: fc.constantFrom(1, 2, 5, 50) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave"), reader }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart") }) },
);

const play = fc.record({
  seed: fc.nat(),
  /** Small logs overflow; under 256 entries nothing is merged, above it is. */
  entries: fc.constantFrom(4, 30, 400, 100_000),
  readers: fc.array(fc.tuple(fc.constantFrom(...SCOPES), fc.constantFrom(...FILTERS)), {
    minLength: 6,
    maxLength: 6,
  }),
  moves: fc.array(move, { minLength: 10, maxLength: 60, size: "max" }),
  /** Long silences of all readers, so that backlogs grow. */
  burst: fc.constantFrom(0, 0, 350),
});

describe("watch, whatever watchers and the world do", () => {
  it("TC-019 TC-020 TC-041 TC-051 TC-069 what a watcher has folded is what a list says", {
    timeout: 60_000 * PATIENCE,
  }, async () => {
    await holdsAsync(
      fc.asyncProperty(play, async ({ seed, entries, readers: asked, moves, burst }) => {
        const world = new World(random(seed), { entries });
        world.publish();
        const readers = asked.map(([scope, filter]) => new Reader(scope, filter));
        const of = (at: number): Reader => readers[at] ?? new Reader(WatchScope.PANES, {});
        for (const [at, step] of moves.entries()) {
          if (step.kind === "change") for (let n = 0; n < step.steps; n += 1) world.step();
          if (step.kind === "connect") of(step.reader).connect(world, step.back);
          if (step.kind === "read") await of(step.reader).read(step.count);
          if (step.kind === "leave") await of(step.reader).leave();
          if (step.kind === "restart") world.restart();
          if (at === moves.length >> 1) for (let n = 0; n < burst; n += 1) world.step();
        }
        for (const each of readers) {
          each.connect(world, 0);
          await each.read(Number.POSITIVE_INFINITY);
          // A stream of an earlier life has ended by itself; its reader comes back.
          if (!each.isConnected) {
            each.connect(world, 0);
            await each.read(Number.POSITIVE_INFINITY);
          }
          const { answer, rows } = await list(world, each);
          const last = each.known.at(-1);
          expect(fold(each.known)).toEqual(rows);
          expect(last?.summary && toJson(SummarySchema, last.summary)).toEqual(
            answer.summary && toJson(SummarySchema, answer.summary),
          );
          expect(last?.partial).toBe(answer.partial);
          expect(last?.targetErrors.map(({ target }) => target)).toEqual(
            answer.targetErrors.map(({ target }) => target),
          );
          await each.leave();
        }
        expect(world.hub.watchers).toBe(0);
      }),
      60,
    );
  });
});
